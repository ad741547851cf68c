import type { Config } from './config/types.js';
import type { Ledger } from './observe/ledger.js';
import type { Logger } from './observe/log.js';
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

export interface PoolOptions {
  readonly config: Config;
  readonly workerFile: string;
  readonly log: Logger;
  readonly timing?: RestartTiming;
  /** Where the workers' figures go. */
  readonly ledger: Ledger;
  /** Once: the first worker listens. */
  readonly onListening: () => void;
  /** Once: all workers are ready. */
  readonly onReady: () => void;
  /**
   * Once, and only before any worker was ever ready: each has failed three times. Later the pool goes on for ever, since
   * what has worked once is likely to work again. The reasons are without repetition.
   */
  readonly onHopeless: (reasons: readonly string[]) => void;
}

export interface DrainResult {
  /** Requests that were under way: finished, and cut off at the deadline. */
  readonly finished: number;
  readonly cut: number;
  /** Whether every worker went by itself, with status 0, in time. */
  readonly inOrder: boolean;
}

/** The workers 1 to `server.workers`, kept alive. */
export class WorkerPool {
  readonly #options: PoolOptions;
  readonly #slots: readonly WorkerSlot[];
  #hasListened = false;
  #hasBeenReady = false;
  #isWhole = false;
  #isHopeless = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    const { config, workerFile, log, timing = RESTART_TIMING, ledger } = options;
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
          othersServe: () => this.readyCount > 0,
          onListening: () => this.#listening(),
          onReady: () => this.#ready(),
          onDeath: () => this.#death(),
        }),
    );
  }

  get readyCount(): number {
    return this.#slots.filter(({ isReady }) => isReady).length;
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

  /** Lets the workers finish within the time, and kills what is left 2 s later. Resolves when all are gone. */
  async drain(timeoutMs: number): Promise<DrainResult> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.kill();
    }, timeoutMs + GRACE_MS);
    const all = await Promise.all(this.#slots.map((slot) => slot.drain(timeoutMs)));
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
    if (this.#hasBeenReady || this.#isHopeless) return;
    if (this.#slots.some((slot) => slot.failedStarts < START_TRIES)) return;
    this.#isHopeless = true;
    this.#options.onHopeless([...new Set(this.#slots.map((slot) => slot.lastDeath))]);
  }
}
