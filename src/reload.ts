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
  /** Puts workers of the same configuration in place of the others: null, or why not. */
  readonly renew: () => Promise<readonly string[] | null>;
  /** Told of each beginning. */
  readonly began: () => void;
  /** Told of each outcome. */
  readonly ended: (report: ReloadReport) => void;
  /** Told of a renewal that went well: one line. */
  readonly renewed: (story: string) => void;
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

/** Reloads the configuration, or renews the workers; one at a time. */
export class Reloader {
  #applied = 0;
  #failed = 0;
  #last: ReloadReport | null = null;
  #isRunning = false;
  #isReloading = false;
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
      underWay: this.#isReloading,
      last: last && {
        at: new Date(last.startedMs).toISOString(),
        durationMs: last.durationMs,
        outcome: last.outcome,
        problems: last.problems,
      },
    };
  }

  /** A reload or a renewal. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /**
   * Has the workers renewed, for the reason `why`, unless a reload does so anyway. Never rejects. Resolves when it has ended, and
   * the reload that was asked for meanwhile.
   */
  async renew(why: string): Promise<void> {
    if (!this.#isRunning) await this.#run(() => this.#renewOnce(why));
  }

  /** Never rejects. Resolves when it has ended, and the one that was asked for meanwhile. */
  async request(): Promise<void> {
    if (this.#isRunning) {
      const what = this.#isReloading
        ? 'another reload will follow this one'
        : 'a reload will follow';
      if (!this.#isWanted) this.log.info(`SIGHUP: ${what}`);
      this.#isWanted = true;
      return;
    }
    await this.#run(() => this.#once());
  }

  async #run(first: () => Promise<void>): Promise<void> {
    this.#isRunning = true;
    await first();
    while (this.#isWanted) {
      this.#isWanted = false;
      await this.#once();
    }
    this.#isRunning = false;
  }

  async #renewOnce(why: string): Promise<void> {
    const begin = performance.now();
    this.log.info(`renewal: ${why}`);
    const problems = await this.target.renew().catch((error: unknown): readonly string[] => {
      this.log.error('a renewal met a bug', { err: error });
      return ['gfserve met a bug'];
    });
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    if (problems === null) {
      this.log.info(`renewal: done in ${seconds} s; the former workers finish what is under way`);
      this.target.renewed(`renewal: done in ${seconds} s: ${why}`);
    } else {
      this.log.warn(`renewal: put off: ${problems.join('; ')}; the workers go on`);
    }
  }

  async #once(): Promise<void> {
    const startedMs = Date.now();
    const begin = performance.now();
    const { file } = this.target.config();
    this.#isReloading = true;
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
    this.#isReloading = false;
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
