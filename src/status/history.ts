/** The last minutes of the service, in bounded memory. Pure, but for what it is told. */
import { cellsSince, quantile } from '../observe/histogram.js';
import { http } from '../observe/metrics.js';
import { CLASSES, type HistoryColumns, type Latency, type StatusClass } from './report.js';
import { key, type Parts, type Reading, type Totals } from './totals.js';

export const STEP_MS = 5_000;
/** Ten minutes. */
const STEPS = 120;
/** Of so many steps the parts are kept too: what the last minute is computed from. */
const DETAILED_STEPS = 13;
/** Less would make a burst of a few requests look like a flood. */
const SHORTEST_MS = 1_000;

/** The service at one time. */
export interface Moment {
  /** A clock that never goes back; milliseconds. */
  readonly ms: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly totals: Totals;
  readonly connections: number;
  /** null: of this there's no need any more. */
  readonly parts: Parts | null;
}

export function momentOf({ totals, parts, gauges }: Reading, ms: number, at: number): Moment {
  return { ms, at, totals, parts, connections: gauges.get(key(http.connections.name)) ?? 0 };
}

export const secondsBetween = (from: Moment, to: Moment): number =>
  Math.max(SHORTEST_MS, to.ms - from.ms) / 1000;

/** How much more there is; a count that has vanished, with a worker that never reported it again, is no loss. */
export const grown = (before: number | undefined, now: number): number =>
  Math.max(0, now - (before ?? 0));

export function latencyOf(
  before: readonly number[] | undefined,
  now: Totals['firstByte'],
): Latency {
  const cells = now ? cellsSince(before, now) : [];
  return { p50Ms: inMs(quantile(cells, 0.5)), p99Ms: inMs(quantile(cells, 0.99)) };
}

/** To three digits, as more would be made up. */
const inMs = (seconds: number | null): number | null =>
  seconds === null ? null : Number((seconds * 1000).toPrecision(3));

export function hitRatio(before: Totals, now: Totals): number | null {
  const answers = grown(before.answers, now.answers);
  return answers === 0 ? null : rounded(grown(before.hits, now.hits) / answers);
}

/** Enough for a plot, and short as JSON. */
export const rounded = (value: number): number => Math.round(value * 1000) / 1000;

export class History {
  /** The oldest first; what is at its end began the step that is under way. */
  readonly #moments: Moment[];

  /** `first`: the moment of the start. */
  constructor(first: Moment) {
    this.#moments = [first];
  }

  /** A step has ended. */
  add(moment: Moment): void {
    this.#moments.push(moment);
    // One more than there are steps, since each lies between two.
    if (this.#moments.length > STEPS + 1) this.#moments.shift();
    const old = this.#moments.length - 1 - DETAILED_STEPS;
    const before = this.#moments[old];
    if (before?.parts) this.#moments[old] = { ...before, parts: null };
  }

  /** The moment that is at least so long ago, or else the oldest, with its parts. `ago` is at most a minute. */
  before(nowMs: number, agoMs: number): Moment & { readonly parts: Parts } {
    let found: (Moment & { readonly parts: Parts }) | null = null;
    for (const { parts, ...moment } of [...this.#moments].reverse()) {
      if (!parts) break;
      found = { ...moment, parts };
      if (nowMs - moment.ms >= agoMs) break;
    }
    if (!found) throw new Error('the latest moment always has its parts');
    return found;
  }

  columns(): HistoryColumns {
    const steps = this.#moments.slice(1).map((to, index) => {
      const from = this.#moments[index] ?? to;
      return { from, to, seconds: secondsBetween(from, to) };
    });
    const latencies = steps.map(({ from, to }) =>
      latencyOf(from.totals.firstByte, to.totals.firstByte),
    );
    const rates = (of: (totals: Totals) => number): number[] =>
      steps.map(({ from, to, seconds }) =>
        rounded(grown(of(from.totals), of(to.totals)) / seconds),
      );
    return {
      stepMs: STEP_MS,
      at: steps.map(({ to }) => Math.round(to.at)),
      perSecond: byClass((status) => rates(({ classes }) => classes[status])),
      p50Ms: latencies.map(({ p50Ms }) => p50Ms),
      p99Ms: latencies.map(({ p99Ms }) => p99Ms),
      bytesPerSecond: rates(({ bytes }) => bytes).map(Math.round),
      hitRatio: steps.map(({ from, to }) => hitRatio(from.totals, to.totals)),
      connections: steps.map(({ to }) => to.connections),
    };
  }
}

export function byClass<T>(of: (status: StatusClass) => T): Record<StatusClass, T> {
  const [ok, moved, wrong, failed, other] = CLASSES;
  return {
    [ok]: of(ok),
    [moved]: of(moved),
    [wrong]: of(wrong),
    [failed]: of(failed),
    [other]: of(other),
  };
}
