/** Has the program started anew, and another gfserve put in the place of this one; see docs/adr/0012-upgrade.md. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AdminSocket } from './admin_port.js';
import type { Config } from './config/types.js';
import { type Logger, oneLine } from './observe/log.js';
import type { Sample } from './observe/metrics.js';
import type { UpgradeReport } from './reload_report.js';
import { heldBy, type SocketHandle, unixPaths } from './sockets.js';
import { type Command, type Said, Successor } from './successor.js';

/** How long until the new gfserve has to be ready: its workers get as long as those of a reload. */
const READY_MS = 60_000;
/** From its being ready to its having the pid-file and the admin listener. */
const TAKE_OVER_MS = 10_000;
/** How long the workers here may take to be ready all, before their sockets are handed on. */
const SETTLE_MS = 10_000;
const POLL_MS = 50;
/** What a gfserve that is given up may take beyond its drain timeout. */
const GRACE_MS = 5000;

/** What an upgrade has to do with. */
export interface Upgradable {
  readonly log: Logger;
  readonly command: Command;
  readonly config: () => Config;
  /** Why it can't be done where this gfserve runs; null: it can. */
  readonly obstacle: () => string | null;
  /** A reload is under way. */
  readonly isReloading: () => boolean;
  /** Every worker answers requests. */
  readonly isComplete: () => boolean;
  readonly sockets: () => Iterable<{ number: number; key: string; socket: SocketHandle }>;
  readonly admin: () => AdminSocket | null;
  /** All that was counted, now. */
  readonly samples: () => Promise<readonly Sample[]>;
  /** Whether another gfserve has the sockets too. */
  readonly share: (withAnother: boolean) => void;
  /** Told when it begins, and of its outcome. */
  readonly report: (report: UpgradeReport) => void;
  /** Milliseconds; passed in, so that tests need not wait. */
  readonly readyMs?: number;
}

/** The gfserve that has taken over. */
export interface HandedOver {
  readonly successor: Successor;
  /** Its unix sockets. */
  readonly paths: ReadonlySet<string>;
}

export interface UpgradeStatus {
  /** Those that came to nothing; after one that did not, this gfserve ends. */
  readonly failed: number;
  readonly underWay: boolean;
  readonly last: Pick<UpgradeReport, 'outcome' | 'problems'> | null;
}

type Ended =
  | { readonly outcome: 'refused' | 'given-up'; readonly problems: readonly string[] }
  | { readonly outcome: 'applied'; readonly problems: []; readonly handedOver: HandedOver };

/** Upgrades, one at a time, of which one at most succeeds. */
export class Upgrader {
  /** Resolves when another gfserve has taken over. */
  readonly done: Promise<HandedOver>;
  #resolve: (handedOver: HandedOver) => void = () => undefined;
  #state: 'idle' | 'running' | 'over' = 'idle';
  #successor: Successor | null = null;
  /** Those that were given up and have not ended yet. */
  readonly #leftovers = new Set<Promise<void>>();
  #isAbandoned = false;
  #failed = 0;
  #last: UpgradeReport | null = null;

  constructor(private readonly target: Upgradable) {
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  get status(): UpgradeStatus {
    const last = this.#last && { outcome: this.#last.outcome, problems: this.#last.problems };
    return { failed: this.#failed, underWay: this.isRunning, last };
  }

  /** Never rejects. Resolves when it has ended, or at once where one is under way: with whether one is then. */
  async request(): Promise<boolean> {
    const { target } = this;
    if (this.#state !== 'idle') {
      const whom = this.#successor ? `, by process ${this.#successor.pid}` : '';
      target.log.warn(`SIGUSR2: refused, as an upgrade is under way${whom}`);
      return true;
    }
    this.#state = 'running';
    const startedMs = Date.now();
    const begin = performance.now();
    const common = { file: target.config().file, startedMs };
    target.report({ ...common, durationMs: 0, outcome: 'under-way', problems: [], pid: 0 });
    const ended = await this.#upgrade().catch((error: unknown): Ended => {
      target.log.error('an upgrade met a bug', { err: error });
      return { outcome: 'given-up', problems: ['gfserve met a bug; see the log'] };
    });
    const durationMs = Math.round(performance.now() - begin);
    const { outcome, problems } = ended;
    const pid = this.#successor?.pid ?? 0;
    this.#last = { ...common, durationMs, outcome, problems, pid };
    if (outcome === 'applied') {
      this.#state = 'over';
      target.log.info(`upgrade: process ${pid} has taken over, after ${durationMs} ms`);
    } else {
      this.#state = 'idle';
      this.#failed += 1;
      this.#giveUp();
      for (const problem of problems) target.log.error(oneLine(problem));
      const how = outcome === 'refused' ? 'refused' : 'given up';
      target.log.error(`upgrade: ${how}, this gfserve goes on`);
    }
    target.report(this.#last);
    if (outcome === 'applied') this.#resolve(ended.handedOver);
    return false;
  }

  /** For the end of this gfserve: the one that is being started ends too. Resolves when none is left. */
  async abandon(): Promise<void> {
    this.#isAbandoned = true;
    this.#giveUp();
    await Promise.all(this.#leftovers);
  }

  /** The same at once. */
  kill(): void {
    void this.#successor?.tell({ type: 'stop', atOnce: true });
  }

  #giveUp(): void {
    const successor = this.#successor;
    if (!successor) return;
    this.#successor = null;
    const { drainTimeoutMs } = this.target.config().limits;
    const gone = successor.end(drainTimeoutMs + GRACE_MS).then(() => {
      this.#leftovers.delete(gone);
    });
    this.#leftovers.add(gone);
  }

  async #upgrade(): Promise<Ended> {
    const { target } = this;
    const obstacle = target.obstacle() ?? (await this.#settle());
    if (obstacle !== null) return { outcome: 'refused', problems: [obstacle] };
    if (this.#isAbandoned) return { outcome: 'refused', problems: ['gfserve is being stopped'] };
    const { program, args } = target.command;
    target.log.info(`SIGUSR2: starting ${oneLine([program, ...args].join(' '))}`);
    target.share(true);
    try {
      return await this.#lead(new Successor(target.command));
    } finally {
      // Also where it has taken over: then the sockets here go as soon as their worker does.
      target.share(false);
    }
  }

  /**
   * Waits until each worker has its sockets: one that opens its own while its namesake in the new gfserve does too would shut
   * that one out from a unix socket's path. null, or why that takes too long.
   */
  async #settle(): Promise<string | null> {
    const { isReloading, isComplete } = this.target;
    while (isReloading()) await sleep(POLL_MS);
    const end = performance.now() + SETTLE_MS;
    while (!isComplete()) {
      if (performance.now() > end) {
        return `not all workers are ready, for ${SETTLE_MS / 1000} s now: wait until they are, or restart gfserve`;
      }
      await sleep(POLL_MS);
    }
    return null;
  }

  async #lead(successor: Successor): Promise<Ended> {
    this.#successor = successor;
    const { target } = this;
    const { readyMs = READY_MS } = target;
    const end = performance.now() + readyMs;
    const next = (): Promise<Said> => successor.next(Math.max(0, end - performance.now()));
    const hello = await next();
    if (hello.type !== 'hello') return failure(hello, readyMs);
    target.log.info(`upgrade: process ${successor.pid} is gfserve ${oneLine(hello.version)}`);
    this.#bequeath(successor);
    const ready = await next();
    if (ready.type !== 'ready') return failure(ready, readyMs);
    void successor.tell({ type: 'metrics', samples: await target.samples() });
    void successor.tell({ type: 'take-over' });
    const taken = await successor.next(TAKE_OVER_MS);
    if (taken.type !== 'taken') return failure(taken, TAKE_OVER_MS);
    const paths = new Set(ready.paths);
    return { outcome: 'applied', problems: [], handedOver: { successor, paths } };
  }

  #bequeath(successor: Successor): void {
    const { sockets, admin, config } = this.target;
    for (const { number, key, socket } of sockets()) {
      void successor.tell({ type: 'socket', number, key }, socket);
    }
    const own = admin();
    if (own) void successor.tell({ type: 'admin', key: own.key }, own.socket);
    const ports = [...heldBy(config()).ports];
    const paths = [...unixPaths(config())];
    void successor.tell({ type: 'begin', ports, paths, pidFile: config().server.pidFile });
  }
}

function failure(said: Said, limitMs: number): Ended {
  const given = (...problems: string[]): Ended => ({ outcome: 'given-up', problems });
  switch (said.type) {
    case 'failed':
      return given(...said.problems);
    case 'ended':
      return given(`the new gfserve ${said.how}; what it said is in the log`);
    case 'late':
      return given(`the new gfserve was not ready within ${limitMs / 1000} s`);
    default:
      return given(`the new gfserve spoke out of turn (${said.type})`);
  }
}
