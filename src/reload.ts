import { type Config, formatConfigError, type LoadResult } from './config/types.js';
import { type Logger, oneLine } from './observe/log.js';
import { preflight } from './preflight.js';
import type { ReloadOutcome, ReloadReport } from './reload_report.js';
import { heldBy } from './sockets.js';

/** What a reload changes. */
export interface Reloadable {
  /** What is served now. */
  readonly config: () => Config;
  /** Reads the file anew. */
  readonly load: () => LoadResult;
  /**
   * Makes ready what the supervisor itself has of the configuration: why that can't be done, or what to call once the workers
   * are there (`keep`), or have been given up (`undo`).
   */
  readonly prepare: (next: Config) => Promise<Prepared | string>;
  /** Puts workers of `next` in place of the others: null, or why they can't get ready. */
  readonly replace: (next: Config) => Promise<readonly string[] | null>;
  /** Told of each beginning. */
  readonly began: () => void;
  /** Told of each outcome. */
  readonly ended: (report: ReloadReport) => void;
}

export interface Prepared {
  keep(): void;
  undo(): void;
}

export interface ReloadStatus {
  /** Those that were applied, and those that were not. */
  readonly applied: number;
  readonly failed: number;
  readonly underWay: boolean;
  readonly last: {
    /** When it began, as ISO 8601 has it. */
    readonly at: string;
    readonly durationMs: number;
    readonly outcome: ReloadOutcome;
    readonly problems: readonly string[];
  } | null;
}

type Ended = Pick<ReloadReport, 'outcome' | 'problems'>;

/** Reloads the configuration, one at a time. */
export class Reloader {
  #applied = 0;
  #failed = 0;
  #last: ReloadReport | null = null;
  #isRunning = false;
  /** It was asked for again while one was under way: one more will read the file anew, however often it was asked for. */
  #isWanted = false;

  constructor(
    private readonly target: Reloadable,
    private readonly log: Logger,
  ) {}

  get status(): ReloadStatus {
    const last = this.#last;
    return {
      applied: this.#applied,
      failed: this.#failed,
      underWay: this.#isRunning,
      last: last && {
        at: new Date(last.startedMs).toISOString(),
        durationMs: last.durationMs,
        outcome: last.outcome,
        problems: last.problems,
      },
    };
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Never rejects. Resolves when it has ended, and the one that was asked for meanwhile. */
  async request(): Promise<void> {
    if (this.#isRunning) {
      if (!this.#isWanted) this.log.info('SIGHUP: another reload will follow this one');
      this.#isWanted = true;
      return;
    }
    this.#isRunning = true;
    do {
      this.#isWanted = false;
      await this.#once();
    } while (this.#isWanted);
    this.#isRunning = false;
  }

  async #once(): Promise<void> {
    const startedMs = Date.now();
    const begin = performance.now();
    const { file } = this.target.config();
    this.target.began();
    this.log.info(`SIGHUP: reading ${file} anew`);
    const ended = await this.#reload().catch((error: unknown): Ended => {
      this.log.error('a reload met a bug', { err: error });
      return { outcome: 'given-up', problems: ['gfserve met a bug; see the log'] };
    });
    const durationMs = Math.round(performance.now() - begin);
    const { outcome, problems } = ended;
    for (const problem of problems) this.log.error(oneLine(problem));
    if (outcome === 'applied') {
      this.#applied += 1;
      this.log.info(
        `reload: done in ${durationMs} ms; the former workers finish what is under way`,
      );
    } else {
      this.#failed += 1;
      this.log.error(`reload: ${outcome === 'refused' ? 'refused' : 'given up'}, nothing changed`);
    }
    this.#last = { file, startedMs, durationMs, outcome, problems };
    this.target.ended(this.#last);
  }

  async #reload(): Promise<Ended> {
    const { target } = this;
    const old = target.config();
    const loaded = target.load();
    if (!loaded.ok) return refused(loaded.errors.map(formatConfigError));
    const next = loaded.config;
    const changed = pidFileChange(old.server.pidFile, next);
    if (changed !== null) return refused([changed]);
    const found = await preflight(next, heldBy(old));
    if (found.length > 0) return refused(found.map(({ code, message }) => `${code}: ${message}`));
    const prepared = await target.prepare(next);
    if (typeof prepared === 'string') return refused([prepared]);
    const reasons = await target.replace(next);
    if (reasons === null) {
      prepared.keep();
      return { outcome: 'applied', problems: [] };
    }
    prepared.undo();
    const problems = reasons.map((reason) => `the new workers cannot start: ${reason}`);
    return { outcome: 'given-up', problems };
  }
}

const refused = (problems: readonly string[]): Ended => ({ outcome: 'refused', problems });

/** Why the file can't be served while gfserve runs: others look for it at its pid-file. All else can be changed. */
export function pidFileChange(old: string | null, { server: next, file }: Config): string | null {
  if (old === next.pidFile) return null;
  const name = (path: string | null): string => path ?? 'none';
  return `${file}: [server] pid-file: cannot be changed by a reload or an upgrade (${name(old)} to ${name(next.pidFile)}): restart gfserve, or put it back`;
}
