/** Counts durations by their length. What is observed costs a comparison or two and no allocation. */

/** Upper bounds in milliseconds, included. From a hit in memory to a long download. */
export const BOUNDS_MS: readonly number[] = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000,
  300_000,
];

/** The same in seconds, as they are shown. */
export const BOUNDS: readonly number[] = BOUNDS_MS.map((ms) => ms / 1000);

/** What a histogram sends: how many were at most as long as each bound and longer than the one before; longer; seconds in all. */
export const CELLS = BOUNDS.length + 2;

const LONGER = BOUNDS.length;
const SUM = LONGER + 1;

export class Histogram {
  /** As many as there are bounds, and one more; and the sum of all, in milliseconds. */
  readonly #cells: Float64Array;

  /** `cells`: CELLS numbers, which others may add to. */
  constructor(cells = new Float64Array(CELLS)) {
    this.#cells = cells;
  }

  /** `ms` milliseconds. */
  observe(ms: number): void {
    let at = 0;
    // The shortest come first, as they are those that nothing may be spent on.
    while (at < LONGER && ms > (BOUNDS_MS[at] ?? 0)) at++;
    this.#cells[at] = (this.#cells[at] ?? 0) + 1;
    this.#cells[SUM] = (this.#cells[SUM] ?? 0) + ms;
  }

  get count(): number {
    return countOf([...this.#cells]);
  }

  /** To be sent: CELLS numbers. */
  cells(): number[] {
    return [...this.#cells.subarray(0, SUM), (this.#cells[SUM] ?? 0) / 1000];
  }
}

/** The sum of what several have sent. */
export function addCells(a: readonly number[], b: readonly number[]): number[] {
  return a.map((cell, index) => cell + (b[index] ?? 0));
}

/** What happened between two reports: never less than nothing. */
export function cellsSince(
  before: readonly number[] | undefined,
  now: readonly number[],
): number[] {
  return before ? now.map((cell, index) => Math.max(0, cell - (before[index] ?? 0))) : [...now];
}

/** How many observations there are in what a histogram has sent. */
export const countOf = (cells: readonly number[]): number =>
  cells.slice(0, BOUNDS.length + 1).reduce((sum, each) => sum + each, 0);

/**
 * Which duration a share of all observations does not exceed, in seconds, taken as evenly spread within a bound and the one
 * below, as PromQL's histogram_quantile does; what is longer than the last bound counts as that. null: there are none.
 */
export function quantile(cells: readonly number[], share: number): number | null {
  const count = countOf(cells);
  if (count === 0) return null;
  const rank = share * count;
  let below = 0;
  for (const [index, bound] of BOUNDS.entries()) {
    const here = cells[index] ?? 0;
    if (here > 0 && below + here >= rank) {
      const from = BOUNDS[index - 1] ?? 0;
      return from + ((bound - from) * Math.max(0, rank - below)) / here;
    }
    below += here;
  }
  return BOUNDS.at(-1) ?? null;
}
