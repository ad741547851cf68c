/** A steady load: so many requests a second whether or not the earlier ones have been answered, each body compared. */
import { setTimeout as sleep } from 'node:timers/promises';
import { get } from './client.js';

export interface Sample {
  /** When it was asked, in milliseconds since the load began. */
  readonly atMs: number;
  /** How long the whole answer took. */
  readonly ms: number;
  /** 0: the connection failed, or the answer was cut off. */
  readonly status: number;
  readonly path: string;
  /** 200 and exactly the expected body. */
  readonly right: boolean;
  /** 200 with anything else: never allowed, whatever happens to a volume. */
  readonly wrong: boolean;
  /** How it begins, where it is wrong; else ''. */
  readonly begins: string;
}

export interface LoadOptions {
  readonly port: number;
  readonly perSecond: number;
  /** The next request; `expected` null: the body is not looked at. */
  readonly next: () => { readonly path: string; readonly expected: string | null };
}

const LONGEST_PAUSE_MS = 5;
/** Characters of a wrong answer that are kept. */
const BEGINNING = 80;

export class Load {
  readonly #samples: Sample[] = [];
  readonly #begin = performance.now();
  #pending: Promise<void>[] = [];
  #running = true;
  readonly #done: Promise<void>;

  constructor(private readonly options: LoadOptions) {
    this.#done = this.#run();
  }

  /** Now, as samples count it. */
  get nowMs(): number {
    return performance.now() - this.#begin;
  }

  /** Those answered so far, in the order of their answers. */
  get samples(): readonly Sample[] {
    return this.#samples;
  }

  /** Asks no more, waits for what was asked, and gives all samples. */
  async stop(): Promise<readonly Sample[]> {
    this.#running = false;
    await this.#done;
    await Promise.all(this.#pending);
    return this.#samples;
  }

  async #run(): Promise<void> {
    for (let sent = 0; this.#running; ) {
      const due = Math.floor((this.nowMs * this.options.perSecond) / 1000) + 1;
      for (; sent < due; sent++) this.#pending.push(this.#ask());
      // A load that a failed test has left running must not keep the process.
      const pause = Math.min(LONGEST_PAUSE_MS, 1000 / this.options.perSecond);
      await sleep(pause, undefined, { ref: false });
    }
  }

  async #ask(): Promise<void> {
    const { path, expected } = this.options.next();
    const atMs = this.nowMs;
    let status = 0;
    let same = false;
    let text = '';
    try {
      // A connection each: one that is kept may be closed by the server just when the next request is sent.
      const answer = await get(this.options.port, path);
      if (answer.complete) status = answer.status;
      text = answer.body.toString();
      same = expected === null || text === expected;
    } catch {
      // Refused or reset: no answer.
    }
    const right = status === 200 && same;
    const wrong = status === 200 && !same;
    const begins = wrong ? text.slice(0, BEGINNING) : '';
    this.#samples.push({ atMs, ms: this.nowMs - atMs, status, path, right, wrong, begins });
  }
}

/** The value below which `share` (0 to 1) of them are; 0 of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

export interface Summary {
  readonly count: number;
  /** How many of each status; 0 counts broken connections. */
  readonly statuses: Readonly<Record<number, number>>;
  readonly wrong: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export function summary(samples: readonly Sample[]): Summary {
  const statuses: Record<number, number> = {};
  for (const { status } of samples) statuses[status] = (statuses[status] ?? 0) + 1;
  const times = samples.map(({ ms }) => ms);
  const tenths = (value: number): number => Math.round(value * 10) / 10;
  return {
    count: samples.length,
    statuses,
    wrong: samples.filter(({ wrong }) => wrong).length,
    p50: tenths(quantile(times, 0.5)),
    p99: tenths(quantile(times, 0.99)),
    max: Math.round(Math.max(0, ...times)),
  };
}

/** As one line for a test's output. */
export function describe(samples: readonly Sample[]): string {
  const { count, statuses, wrong, p50, p99, max } = summary(samples);
  const answers = Object.entries(statuses).map(([status, n]) => `${n} × ${status}`);
  return `${count} requests: ${answers.join(', ')}${wrong > 0 ? `, ${wrong} WRONG` : ''}; p50 ${p50} ms, p99 ${p99} ms, max ${max} ms`;
}
