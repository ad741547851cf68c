/** Looks at a volume that are under way, each for all requests that want the same. */
import type { OpenRequest, OpenResult } from '../storage.js';
import type { Name } from './entries.js';
import type { Look } from './watches.js';

/** A request that waits for a look. */
export interface Waiter {
  readonly request: OpenRequest;
  readonly joinedMs: number;
  readonly done: (result: OpenResult) => void;
  /** What it waits for after the look, where that was not enough: how to end it. */
  further: (() => void) | null;
}

/** How much of its deadline is over. */
export function waitedMs({ request, joinedMs }: Waiter, nowMs: number): number {
  return (request.waitedMs ?? 0) + nowMs - joinedMs;
}

export interface Flight {
  readonly key: string;
  /** With the body; without, it serves only those who want the stat. */
  readonly body: boolean;
  /** What was known before. */
  before: Name | null;
  readonly look: Look;
  readonly sinceMs: number;
  readonly waiters: Set<Waiter>;
  /** More than one has waited for it. */
  collapsed: boolean;
  /** It is over. */
  landed: boolean;
  /** How often the file changed while it was read. */
  changes: number;
  /** Ends what is under way at present. */
  cancel: () => void;
}

export class Flights {
  readonly #withBody = new Map<string, Flight>();
  readonly #statOnly = new Map<string, Flight>();

  get count(): number {
    return this.#withBody.size + this.#statOnly.size;
  }

  /** One that serves a request with or without a body. */
  find(key: string, body: boolean): Flight | undefined {
    return this.#withBody.get(key) ?? (body ? undefined : this.#statOnly.get(key));
  }

  add(flight: Flight): void {
    this.#map(flight).set(flight.key, flight);
  }

  remove(flight: Flight): void {
    const map = this.#map(flight);
    if (map.get(flight.key) === flight) map.delete(flight.key);
  }

  /** Nobody joins those any more that are under way. */
  close(): void {
    this.#withBody.clear();
    this.#statOnly.clear();
  }

  #map({ body }: Flight): Map<string, Flight> {
    return body ? this.#withBody : this.#statOnly;
  }
}
