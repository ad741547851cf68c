/** What a cache holds, from the most to the least recently used, with its bytes. */

/** A thing that is held: it knows its place, so that using it again costs no look-up. */
export abstract class Item {
  newer: Item | null = null;
  older: Item | null = null;
  /** In a list. */
  held = false;
  /** Clients that are being sent its bytes. */
  #users = 0;
  /** When it was used last, in whole milliseconds of the clock of whoever uses it: a fraction takes memory of its own. */
  usedMs = 0;

  /** `cost` in bytes: all that it takes, what is around its content included. */
  constructor(readonly cost: number) {}

  /** Whether it can't be given up. */
  get isInUse(): boolean {
    return this.#users > 0;
  }

  /** It is being used until it is released as often. */
  hold(): void {
    this.#users += 1;
  }

  release(): void {
    if (this.#users === 0) throw new Error('it was released more often than it was held');
    this.#users -= 1;
    if (this.#users === 0) this.rested();
  }

  /** Nobody holds it any more. */
  protected rested(): void {}

  /** It has been taken out to make room: whoever knows it must forget it. */
  abstract evicted(): void;
}

/** So many that are in use are passed over in the search for one that is not. */
const MOST_PASSED = 64;

export class Lru {
  #newest: Item | null = null;
  #oldest: Item | null = null;
  #bytes = 0;
  #count = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#count;
  }

  add(item: Item, nowMs: number): void {
    if (item.held) throw new Error('it is held already');
    item.held = true;
    item.usedMs = Math.floor(nowMs);
    this.#bytes += item.cost;
    this.#count += 1;
    this.#putFirst(item);
  }

  /** Harmless where it is not held. */
  use(item: Item, nowMs: number): void {
    item.usedMs = Math.floor(nowMs);
    if (!item.held || this.#newest === item) return;
    this.#takeOut(item);
    this.#putFirst(item);
  }

  /** Harmless where it is not held. */
  remove(item: Item): void {
    if (!item.held) return;
    item.held = false;
    this.#bytes -= item.cost;
    this.#count -= 1;
    this.#takeOut(item);
    // Who still knows it must not keep its neighbours.
    item.newer = null;
    item.older = null;
  }

  /** The least recently used that has no users; null: none is near the end. Those that have some are being used. */
  oldest(nowMs: number): Item | null {
    for (let passed = 0; passed < MOST_PASSED; passed++) {
      const item = this.#oldest;
      if (!item?.isInUse) return item;
      this.use(item, nowMs);
    }
    return null;
  }

  #putFirst(item: Item): void {
    item.newer = null;
    item.older = this.#newest;
    if (this.#newest) this.#newest.newer = item;
    this.#newest = item;
    this.#oldest ??= item;
  }

  #takeOut(item: Item): void {
    if (item.newer) item.newer.older = item.older;
    else this.#newest = item.older;
    if (item.older) item.older.newer = item.newer;
    else this.#oldest = item.newer;
  }
}
