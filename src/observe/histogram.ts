/** Counts durations by their length. What is observed costs a comparison or two and no allocation. */

/** Upper bounds in milliseconds, included. From a hit in memory to a long download. */
const BOUNDS_MS: readonly number[] = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000,
  300_000,
];

/** The same in seconds, as they are shown. */
export const BOUNDS: readonly number[] = BOUNDS_MS.map((ms) => ms / 1000);

/** What a histogram sends: how many were at most as long as each bound and longer than the one before; longer; seconds in all. */
export const CELLS = BOUNDS.length + 2;

const LONGER = BOUNDS.length;

export class Histogram {
  readonly #counts = new Float64Array(BOUNDS.length + 1);
  #sumMs = 0;

  /** `ms` milliseconds. */
  observe(ms: number): void {
    let at = 0;
    // The shortest come first, as they are those that nothing may be spent on.
    while (at < LONGER && ms > (BOUNDS_MS[at] ?? 0)) at++;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sumMs += ms;
  }

  get count(): number {
    return this.#counts.reduce((sum, each) => sum + each, 0);
  }

  /** To be sent: CELLS numbers. */
  cells(): number[] {
    return [...this.#counts, this.#sumMs / 1000];
  }
}

/** The sum of what several have sent. */
export function addCells(a: readonly number[], b: readonly number[]): number[] {
  return a.map((cell, index) => cell + (b[index] ?? 0));
}
