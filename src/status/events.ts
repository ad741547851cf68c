/** The last things that happened to the service, for people who look at its status. */
import type { EventKind, StatusEvent } from './report.js';

/** How many are kept. */
const MOST = 50;
/** A worker's last words may be long. */
const LONGEST = 300;

export class Events {
  readonly #list: StatusEvent[] = [];

  /** `now`: milliseconds since 1970. */
  constructor(private readonly now: () => number = Date.now) {}

  add(kind: EventKind, tone: StatusEvent['tone'], text: string): void {
    const at = new Date(this.now()).toISOString();
    const short = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
    this.#list.unshift({ at, kind, tone, text: short });
    if (this.#list.length > MOST) this.#list.pop();
  }

  /** The latest first. */
  get latest(): readonly StatusEvent[] {
    return [...this.#list];
  }
}
