import type { Config } from './config/types.js';
import type { Ledger } from './observe/ledger.js';
import type { Logger } from './observe/log.js';
import type { Sockets } from './sockets.js';
import type { Events } from './status/events.js';
import {
  RESTART_TIMING,
  type RestartTiming,
  type WorkerReport,
  WorkerSlot,
} from './worker_slot.js';

/** Tries that each worker has to become ready, as long as none ever was. */
const START_TRIES = 3;
/** What a worker may take beyond its drain timeout to close its volumes and exit. */
const GRACE_MS = 2000;
const NO_SOCKETS: Sockets = new Map();

/** Who listens on the same sockets meanwhile. */
export interface Partner {
  /** Of its workers, those that answer requests. */
  readonly readyCount: number;
  /** What its worker of this number listens on; the partner's. */
  socketsOf(number: number): Sockets;
}

export interface PoolOptions {
  readonly config: Config;
  readonly workerFile: string;
  readonly log: Logger;
  readonly timing?: RestartTiming;
  /** Where the workers' figures go. */
  readonly ledger: Ledger;
  readonly events: Events;
  /** Whose place it takes: as long as that one accepts, its sockets are used. null: nobody's. */
  readonly predecessor: Partner | null;
  /** Once: the first worker listens. */
  readonly onListening: () => void;
  /** Once: all workers are ready. */
  readonly onReady: () => void;
  /**
   * Once, and only before any worker was ever ready: each has failed three times; or, where there is a predecessor that
   * can go on, before all were ready: one has. Later the pool goes on for ever, since what has worked once is likely to work
   * again. The reasons are without repetition.
   */
  readonly onHopeless: (reasons: readonly string[]) => void;
  /** A worker says that it is to be renewed; see wear.ts. */
  readonly onWorn: (number: number, ended: number) => void;
}

export interface DrainResult {
  /** Requests that were under way: finished, and cut off at the deadline. */
  readonly finished: number;
  readonly cut: number;
  /** Whether every worker went by itself, with status 0, in time. */
  readonly inOrder: boolean;
}

/** The workers 1 to `server.workers` of one configuration, kept alive. */
export class WorkerPool implements Partner {
  readonly config: Config;
  #partner: Partner | null;
  readonly #options: Omit<PoolOptions, 'predecessor'>;
  readonly #isSuccessor: boolean;
  readonly #slots: readonly WorkerSlot[];
  #hasListened = false;
  #hasBeenReady = false;
  #isWhole = false;
  #isHopeless = false;

  constructor(options: PoolOptions) {
    const { predecessor, ...rest } = options;
    this.#partner = predecessor;
    this.#isSuccessor = predecessor !== null;
    this.#options = rest;
    const { config, workerFile, log, timing = RESTART_TIMING, ledger, events } = rest;
    this.config = config;
    this.#slots = Array.from(
      { length: config.server.workers },
      (_, i) =>
        new WorkerSlot({
          number: i + 1,
          config,
          workerFile,
          log,
          timing,
          ledger,
          events,
          othersServe: (isRestart) => this.#othersServe(isRestart),
          inherited: () => this.partner?.socketsOf(i + 1) ?? NO_SOCKETS,
          areSocketsShared: () => this.partner !== null,
          onListening: () => this.#listening(),
          onReady: () => this.#ready(),
          onDeath: () => this.#death(),
          onWorn: (ended) => rest.onWorn(i + 1, ended),
        }),
    );
  }

  /**
   * During a reload or an upgrade who listens on the same sockets: the one whose place this one takes, or that takes this
   * one's. null as soon as that is over, or each would hold all that came before.
   */
  get partner(): Partner | null {
    return this.#partner;
  }

  set partner(partner: Partner | null) {
    this.#partner = partner;
    if (partner === null) for (const slot of this.#slots) slot.unshare();
  }

  get readyCount(): number {
    return this.#slots.filter(({ isReady }) => isReady).length;
  }

  /** Whether every worker answers requests just now. */
  get isComplete(): boolean {
    return this.readyCount === this.#slots.length;
  }

  /** Whether a worker has ever listened, so that files of unix sockets are its own. */
  get hasListened(): boolean {
    return this.#hasListened;
  }

  get restarts(): number {
    return this.#slots.reduce((sum, slot) => sum + slot.restarts, 0);
  }

  start(): void {
    for (const slot of this.#slots) slot.start();
  }

  /** Within a second; a worker that does not answer is `unresponsive`. */
  status(): Promise<WorkerReport[]> {
    return Promise.all(this.#slots.map((slot) => slot.status()));
  }

  /** Has every worker report its figures, within a second. */
  async measure(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.measure()));
  }

  /** What the worker of this number listens on; empty where there is none, or it accepts no more. */
  socketsOf(number: number): Sockets {
    return this.#slots[number - 1]?.sockets ?? NO_SOCKETS;
  }

  /** Has the access log opened anew by every worker. */
  reopenLogs(): void {
    for (const slot of this.#slots) slot.reopenLog();
  }

  /**
   * Lets the workers finish within the time, and kills what is left 2 s later; `retire` where others have taken over. Resolves
   * when all are gone. May be called again to hasten it.
   */
  async drain(timeoutMs: number, type: 'drain' | 'retire' = 'drain'): Promise<DrainResult> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.kill();
    }, timeoutMs + GRACE_MS);
    const all = await Promise.all(this.#slots.map((slot) => slot.drain(timeoutMs, type)));
    clearTimeout(timer);
    return {
      finished: all.reduce((sum, each) => sum + each.finished, 0),
      cut: all.reduce((sum, each) => sum + each.cut, 0),
      inOrder: !isLate && all.every((each) => each.inOrder),
    };
  }

  /** At once and for good. */
  kill(): void {
    for (const slot of this.#slots) slot.kill();
  }

  /** At the very first start all are wanted soon. */
  #othersServe(isRestart: boolean): boolean {
    return (this.partner?.readyCount ?? 0) > 0 || (isRestart && this.readyCount > 0);
  }

  #listening(): void {
    if (this.#hasListened) return;
    this.#hasListened = true;
    this.#options.onListening();
  }

  #ready(): void {
    this.#hasBeenReady = true;
    if (this.#isWhole || this.readyCount < this.#slots.length) return;
    this.#isWhole = true;
    this.#options.onReady();
  }

  #death(): void {
    if (this.#isWhole || this.#isHopeless) return;
    const isLost = ({ failedStarts }: WorkerSlot): boolean => failedStarts >= START_TRIES;
    const isHopeless = this.#isSuccessor
      ? this.#slots.some(isLost)
      : !this.#hasBeenReady && this.#slots.every(isLost);
    if (!isHopeless) return;
    this.#isHopeless = true;
    const reasons = this.#slots.filter(isLost).map(({ lastDeath }) => lastDeath);
    this.#options.onHopeless([...new Set(reasons)]);
  }
}
