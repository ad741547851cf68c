import { rmSync } from 'node:fs';
import type { Config } from './config/types.js';
import type { Ledger } from './observe/ledger.js';
import type { Logger } from './observe/log.js';
import { heldBy } from './sockets.js';
import { type DrainResult, type PoolOptions, WorkerPool } from './worker_pool.js';
import type { RestartTiming, WorkerReport } from './worker_slot.js';

/** How long new workers may take until all are ready. Their volumes get 10 s of it, and a worker that fails three tries. */
const READY_MS = 60_000;
/** Each has its volumes' connections and its cache: no more than so many end at a time. */
const MOST_RETIRING = 2;
const STOPPING = ['gfserve is being stopped'];

export interface GenerationsOptions {
  readonly log: Logger;
  readonly workerFile: string;
  /** Where the workers' figures go, of all generations. */
  readonly ledger: Ledger;
  readonly timing?: RestartTiming;
  /** Milliseconds; passed in, so that tests need not wait. */
  readonly readyMs?: number;
}

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

  /** Starts nothing. The callbacks are for the first generation. */
  constructor(config: Config, options: GenerationsOptions, first: FirstCallbacks) {
    this.#options = options;
    this.#current = this.#pool(config, null, first);
  }

  get config(): Config {
    return this.#current.config;
  }

  /** 1 for the workers of the start, and one more with each reload. */
  get number(): number {
    return this.#number;
  }

  get readyCount(): number {
    return this.#current.readyCount;
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
    if (this.#isStopping) return STOPPING;
    const problems = await this.#startNext(config);
    const next = this.#next;
    this.#next = null;
    this.#current.partner = null;
    if (!next) return STOPPING;
    next.partner = null;
    if (problems) {
      this.#retire(next, this.#current, 'the workers that were given up');
      return problems;
    }
    const old = this.#current;
    this.#current = next;
    this.#number += 1;
    this.#retire(old, next, 'the former workers');
    return null;
  }

  /** All of them, also those that are about to start, within the time. Resolves when they are gone. */
  async drain(timeoutMs: number): Promise<DrainResult> {
    this.#isStopping = true;
    const started = this.#next;
    this.#next = null;
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

  #pool(config: Config, predecessor: WorkerPool | null, callbacks: FirstCallbacks): WorkerPool {
    const { log, workerFile, timing, ledger } = this.#options;
    return new WorkerPool({
      config,
      log,
      workerFile,
      ledger,
      predecessor,
      ...(timing ? { timing } : {}),
      ...callbacks,
    });
  }

  /** By the limit of the configuration that is served from now on. */
  #retire(old: WorkerPool, stays: WorkerPool, who: string): void {
    const { log } = this.#options;
    const { drainTimeoutMs } = this.config.limits;
    const startedMs = performance.now();
    const gone = old.drain(drainTimeoutMs, 'retire').then(({ finished, cut }) => {
      this.#retiring.delete(old);
      this.#formerRestarts += old.restarts;
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
      log.info(
        `reload: ${who} are gone after ${seconds} s: ${finished} requests finished, ${cut} cut off`,
      );
    });
    this.#retiring.set(old, gone);
    // They leave the sockets' files, which may be their successors'.
    const kept = heldBy(stays.config).paths;
    for (const path of heldBy(old.config).paths) if (!kept.has(path)) removeSocket(path);
  }
}

/** A directory that does not let go of it leaves a stale socket, which the next start replaces. */
function removeSocket(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // See above.
  }
}
