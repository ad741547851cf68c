/** Which failures are allowed, where and when. What no window allows is a violation. */

/** How a request ended, as far as rules go: a status, `cut` inside the body, or `none`: no answer at all. */
export type Outcome =
  | '200'
  | '206'
  | '404'
  | '416'
  | '502'
  | '503'
  | '504'
  | 'cut'
  | 'none'
  | (string & {});

interface Window {
  readonly why: string;
  /** null: both. */
  readonly volume: string | null;
  readonly outcomes: ReadonlySet<Outcome>;
  readonly from: number;
  until: number;
}

export class Windows {
  readonly #all: Window[] = [];

  /**
   * Opens a window.
   * @returns closes it, `graceMs` from then
   */
  open(
    why: string,
    volume: string | null,
    outcomes: readonly Outcome[],
  ): (graceMs: number) => void {
    const from = performance.now();
    const window = { why, volume, outcomes: new Set(outcomes), from, until: Infinity };
    this.#all.push(window);
    return (graceMs) => {
      window.until = performance.now() + graceMs;
    };
  }

  allows(volume: string, outcome: Outcome, start: number, end: number): boolean {
    return this.#overlapping(volume, start, end).some(({ outcomes }) => outcomes.has(outcome));
  }

  /** The reasons of the windows that were open; '' for none. */
  reasons(volume: string, start: number, end: number): string {
    return [...new Set(this.#overlapping(volume, start, end).map(({ why }) => why))].join(' + ');
  }

  #overlapping(volume: string, start: number, end: number): readonly Window[] {
    return this.#all.filter(
      (window) =>
        (window.volume === null || window.volume === volume) &&
        window.from <= end &&
        window.until >= start,
    );
  }
}
