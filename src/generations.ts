import { rmSync } from 'node:fs';
import type { Config } from './config/types.js';
import type { Ledger } from './observe/ledger.js';
import type { Logger } from './observe/log.js';
import { heldBy, type SocketHandle } from './sockets.js';
import type { Events } from './status/events.js';
import { type DrainResult, type Partner, type PoolOptions, WorkerPool } from './worker_pool.js';
import type { RestartTiming, WorkerReport } from './worker_slot.js';

/** How long new workers may take until all are ready. Their volumes get 10 s of it, and a worker that fails three tries. */
const READY_MS = 60_000;
/** Each has its volumes' connections and its cache: no more than so many end at a time. */
const MOST_RETIRING = 2;
/** Nobody asked for a renewal: whatever the workers have begun they may finish. They have accepted nothing since. */
const RENEWED_DRAIN_MS = 24 * 3_600_000;
const STOPPING = ['gfserve is being stopped'];
/** Another gfserve, which has got the sockets. */
const ELSEWHERE: Partner = { readyCount: 0, socketsOf: () => new Map() };

export interface GenerationsOptions {
  readonly log: Logger;
  readonly workerFile: string;
  /** Where the workers' figures go, of all generations. */
  readonly ledger: Ledger;
  /** What becomes of workers, for people who look at the status. */
  readonly events: Events;
  /** A worker of the current generation says that it is to be renewed; see wear.ts. */
  readonly onWorn: (number: number, ended: number) => void;
  readonly timing?: RestartTiming;
  /** Milliseconds; passed in, so that tests need not wait. */
  readonly readyMs?: number;
}

/** What puts one generation in the place of another, as the log calls it. */
type Exchange = 'reload' | 'renewal';

type FirstCallbacks = Pick<PoolOptions, 'onListening' | 'onReady' | 'onHopeless'>;

/** The workers of the configuration that is served, and those of former ones that still finish what they began. */
export class Generations {
  readonly #options: GenerationsOptions;
  #current: WorkerPool;
  /** What may take the current one's place. */
  #next: WorkerPool | null = null;
  readonly #retiring = new Map<WorkerPool, Promise<void>>();
  #number = 1;
  /** Of workers of generations that are gone. */
  #formerRestarts = 0;
  #isStopping = false;
  /** Whether the files of unix sockets are another gfserve's to remove. */
  #arePathsForeign: boolean;

  /** Starts nothing. The callbacks are for the first generation; `predecessor` is another gfserve, whose place it takes. */
  constructor(
    config: Config,
    options: GenerationsOptions,
    first: FirstCallbacks,
    predecessor: Partner | null = null,
  ) {
    this.#options = options;
    this.#arePathsForeign = predecessor !== null;
    this.#current = this.#pool(config, predecessor, first);
  }

  get config(): Config {
    return this.#current.config;
  }

  /** 1 for the workers of the start, and one more with each reload or renewal. */
  get number(): number {
    return this.#number;
  }

  get readyCount(): number {
    return this.#current.readyCount;
  }

  /** Whether every worker of the current generation answers requests just now. */
  get isComplete(): boolean {
    return this.#current.isComplete;
  }

  /** Restarts of workers that died, in all generations. */
  get restarts(): number {
    return this.#all().reduce((sum, pool) => sum + pool.restarts, this.#formerRestarts);
  }

  start(): void {
    this.#current.start();
  }

  /** Of the current generation, and of those that came before it. */
  async status(): Promise<{ workers: WorkerReport[]; retiring: WorkerReport[] }> {
    const [workers, ...retiring] = await Promise.all(
      [this.#current, ...this.#retiring.keys()].map((pool) => pool.status()),
    );
    return { workers: workers ?? [], retiring: retiring.flat() };
  }

  /** Has every worker report its figures, those that retire too; within a second. */
  async measure(): Promise<void> {
    await Promise.all(this.#all().map((pool) => pool.measure()));
  }

  reopenLogs(): void {
    for (const pool of this.#all()) pool.reopenLogs();
  }

  /**
   * Starts workers for `config`; when all are ready, those of the current one retire. null, or why they can't be ready: then
   * the current ones go on, and what had started retires. One call at a time.
   */
  async replace(config: Config): Promise<readonly string[] | null> {
    await this.#waitForRoom();
    return await this.#exchange(config, 'reload', () => null);
  }

  /**
   * Puts new workers of the same configuration in the place of the current ones, as `replace` does, but not where a volume that is
   * healthy is not so for the new ones, and what the former ones have begun is not cut off by `drain-timeout`.
   */
  async renew(): Promise<readonly string[] | null> {
    if (this.#retiring.size > 0) return ['former workers have not finished yet'];
    return await this.#exchange(this.config, 'renewal', async (next) =>
      missing(await next.status(), await this.#current.status()),
    );
  }

  async #exchange(
    config: Config,
    what: Exchange,
    check: (next: WorkerPool) => Promise<readonly string[] | null> | null,
  ): Promise<readonly string[] | null> {
    if (this.#isStopping) return STOPPING;
    const started = await this.#startNext(config);
    const problems = started ?? (this.#next && (await check(this.#next)));
    const next = this.#next;
    this.#next = null;
    this.#current.partner = null;
    if (!next) return STOPPING;
    next.partner = null;
    if (problems) {
      const { drainTimeoutMs } = this.config.limits;
      this.#retire(next, this.#current, `${what}: the workers that were given up`, drainTimeoutMs);
      return problems;
    }
    const old = this.#current;
    this.#current = next;
    this.#number += 1;
    const longestMs = what === 'renewal' ? RENEWED_DRAIN_MS : config.limits.drainTimeoutMs;
    this.#retire(old, next, `${what}: the former workers`, longestMs);
    return null;
  }

  /** What the current generation listens on, by worker; as long as they are shared, workers leave them to their successors. */
  *sockets(): Generator<{ number: number; key: string; socket: SocketHandle }> {
    for (let number = 1; number <= this.config.server.workers; number += 1) {
      for (const [key, socket] of this.#current.socketsOf(number)) yield { number, key, socket };
    }
  }

  /** Whether another gfserve that starts has got the sockets too. Not during a reload. */
  share(withAnother: boolean): void {
    this.#current.partner = withAnother ? ELSEWHERE : null;
  }

  /** The gfserve whose place these workers take is about to end: all is theirs. */
  inherit(): void {
    this.#current.partner = null;
    this.#arePathsForeign = false;
  }

  /**
   * Another gfserve goes on with the same sockets, and with unix sockets at the `kept` paths: all workers retire, within the
   * limit of the configuration that was served. Resolves when they are gone; `drain` hastens it.
   */
  async leave(kept: ReadonlySet<string>): Promise<DrainResult> {
    this.#isStopping = true;
    if (this.#current.hasListened) removeSockets(this.config, kept);
    this.#arePathsForeign = true;
    const { drainTimeoutMs } = this.config.limits;
    const retire = (pool: WorkerPool): Promise<DrainResult> => pool.drain(drainTimeoutMs, 'retire');
    const others = [...this.#retiring.keys()];
    const [result] = await Promise.all([retire(this.#current), ...others.map(retire)]);
    return result;
  }

  /** All of them, also those that are about to start, within the time. Resolves when they are gone. */
  async drain(timeoutMs: number): Promise<DrainResult> {
    this.#isStopping = true;
    const started = this.#next;
    this.#next = null;
    if (!this.#arePathsForeign) {
      for (const pool of started ? [this.#current, started] : [this.#current]) {
        if (pool.hasListened) removeSockets(pool.config, new Set());
      }
    }
    const others = started ? [...this.#retiring.keys(), started] : [...this.#retiring.keys()];
    const results = await Promise.all(
      [this.#current, ...others].map((pool) => pool.drain(timeoutMs)),
    );
    return {
      finished: results.reduce((sum, { finished }) => sum + finished, 0),
      cut: results.reduce((sum, { cut }) => sum + cut, 0),
      inOrder: results.every(({ inOrder }) => inOrder),
    };
  }

  /** At once and for good. */
  kill(): void {
    for (const pool of this.#all()) pool.kill();
  }

  #all(): WorkerPool[] {
    const all = [...this.#retiring.keys(), this.#current];
    return this.#next ? [...all, this.#next] : all;
  }

  async #waitForRoom(): Promise<void> {
    while (this.#retiring.size >= MOST_RETIRING) {
      this.#options.log.info(
        `reload: waits until workers of an earlier one have finished; ${this.#retiring.size} generations have not`,
      );
      await Promise.race(this.#retiring.values());
    }
  }

  /** null: all are ready. Leaves the new pool in #next, unless it was drained meanwhile. */
  #startNext(config: Config): Promise<readonly string[] | null> {
    const { readyMs = READY_MS } = this.#options;
    return new Promise((resolve) => {
      const late = `they were not ready within ${readyMs / 1000} s`;
      const timer = setTimeout(() => resolve([late]), readyMs).unref();
      const settle = (problems: readonly string[] | null): void => {
        clearTimeout(timer);
        resolve(problems);
      };
      this.#next = this.#pool(config, this.#current, {
        onListening: () => undefined,
        onReady: () => settle(null),
        onHopeless: settle,
      });
      this.#current.partner = this.#next;
      this.#next.start();
    });
  }

  #pool(config: Config, predecessor: Partner | null, callbacks: FirstCallbacks): WorkerPool {
    const { log, workerFile, timing, ledger, events, onWorn } = this.#options;
    return new WorkerPool({
      config,
      log,
      workerFile,
      ledger,
      events,
      predecessor,
      onWorn,
      ...(timing ? { timing } : {}),
      ...callbacks,
    });
  }

  #retire(old: WorkerPool, stays: WorkerPool, who: string, longestMs: number): void {
    const { log } = this.#options;
    const startedMs = performance.now();
    const gone = old.drain(longestMs, 'retire').then(({ finished, cut }) => {
      this.#retiring.delete(old);
      this.#formerRestarts += old.restarts;
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
      log.info(`${who} are gone after ${seconds} s: ${finished} requests finished, ${cut} cut off`);
    });
    this.#retiring.set(old, gone);
    removeSockets(old.config, heldBy(stays.config).paths);
  }
}

/** What the `next` workers lack of what the `present` ones have; null: nothing. */
function missing(
  next: readonly WorkerReport[],
  present: readonly WorkerReport[],
): readonly string[] | null {
  const healthy = new Set(
    present
      .flatMap((worker) => ('volumes' in worker ? worker.volumes : []))
      .filter(({ state }) => state === 'healthy')
      .map(({ name }) => name),
  );
  const texts = next.flatMap((worker) => {
    if (!('volumes' in worker)) return [`worker ${worker.number} does not answer`];
    return worker.volumes
      .filter(({ name, state }) => state !== 'healthy' && healthy.has(name))
      .map(({ name, state }) => `volume ${name} is ${state}`);
  });
  return texts.length === 0 ? null : [...new Set(texts)];
}

/**
 * Workers leave the files of their unix sockets, which may be their successors'. A directory that does not let go of one
 * leaves a stale socket, which the next start replaces.
 */
function removeSockets(config: Config, kept: ReadonlySet<string>): void {
  for (const path of heldBy(config).paths) {
    if (kept.has(path)) continue;
    try {
      rmSync(path, { force: true });
    } catch {
      // See above.
    }
  }
}
