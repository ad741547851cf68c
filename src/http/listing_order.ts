/**
 * The order of a listing: folders first, then what the client asked for. Pure.
 *
 * Sorting 100,000 entries at once would hold the event loop for some 100 ms. So entries are sorted in short runs as they
 * come, and the runs are merged one entry at a time, as fast as the client takes them.
 */
import type { FolderEntry } from '../storage/storage.js';

export interface Order {
  readonly by: 'name' | 'size' | 'date';
  readonly descending: boolean;
}

/** That of nginx: folders, then files, each by the bytes of their names. */
export const DEFAULT_ORDER: Order = Object.freeze({ by: 'name', descending: false });

const KEYS = new Set<string>(['name', 'size', 'date']);

/** Reads `sort=name|size|date` and `order=asc|desc` from a query. What it does not know, it does not see. */
export function parseOrder(query: string): Order {
  if (query === '') return DEFAULT_ORDER;
  const parameters = new URLSearchParams(query);
  const by = parameters.get('sort') ?? '';
  if (!KEYS.has(by)) return DEFAULT_ORDER;
  return { by: by as Order['by'], descending: parameters.get('order') === 'desc' };
}

export type Compare = (a: FolderEntry, b: FolderEntry) => number;

const byName = (a: FolderEntry, b: FolderEntry): number =>
  a.name < b.name ? -1 : Number(a.name > b.name);

const KEY_COMPARES: Readonly<Record<Order['by'], Compare>> = {
  name: byName,
  // A folder's size says nothing of what is in it.
  size: (a, b) => (a.type === 'directory' ? 0 : a.size - b.size),
  date: (a, b) => a.mtimeSeconds - b.mtimeSeconds,
};

/** A total order for entries of one folder, that is of distinct names. Links must have been resolved. */
export function compareBy(order: Order): Compare {
  const compareKeys = KEY_COMPARES[order.by];
  const sign = order.descending ? -1 : 1;
  return (a, b) => {
    if (a.type !== b.type) return a.type === 'directory' ? -1 : 1;
    return sign * compareKeys(a, b) || byName(a, b);
  };
}

/** Entries that are sorted at once: about a millisecond. */
export const RUN_LENGTH = 1024;

interface Run {
  readonly entries: readonly FolderEntry[];
  at: number;
}

/** Takes entries by `add`, then gives them back sorted by `next`. */
export class Sorter {
  readonly #runs: Run[] = [];
  #open: FolderEntry[] = [];
  #sealed = false;

  constructor(private readonly compare: Compare) {}

  /** At most RUN_LENGTH a turn of the loop keep it free. */
  add(entries: readonly FolderEntry[]): void {
    for (const entry of entries) {
      this.#open.push(entry);
      if (this.#open.length === RUN_LENGTH) this.#close();
    }
  }

  /** The first of those that are left; null at the end. Nothing can be added after the first call. */
  next(): FolderEntry | null {
    if (!this.#sealed) this.#seal();
    const run = this.#runs[0];
    const entry = run?.entries[run.at];
    if (!run || !entry) return null;
    run.at += 1;
    if (run.at === run.entries.length) {
      const last = this.#runs.pop();
      if (last && last !== run) this.#runs[0] = last;
    }
    this.#sink(0);
    return entry;
  }

  #close(): void {
    this.#runs.push({ entries: this.#open.sort(this.compare), at: 0 });
    this.#open = [];
  }

  /** Makes the runs a binary heap by their first entries. */
  #seal(): void {
    this.#sealed = true;
    if (this.#open.length > 0) this.#close();
    for (let i = this.#runs.length >> 1; i >= 0; i--) this.#sink(i);
  }

  #sink(from: number): void {
    let at = from;
    for (;;) {
      let first = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (this.#before(child, first)) first = child;
      const [here, there] = [this.#runs[at], this.#runs[first]];
      if (first === at || !here || !there) return;
      this.#runs[at] = there;
      this.#runs[first] = here;
      at = first;
    }
  }

  #before(a: number, b: number): boolean {
    const [left, right] = [this.#runs[a], this.#runs[b]];
    const [mine, theirs] = [left?.entries[left.at], right?.entries[right.at]];
    return mine !== undefined && theirs !== undefined && this.compare(mine, theirs) < 0;
  }
}
