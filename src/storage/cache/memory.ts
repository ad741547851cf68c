/** One worker's budget for what it caches of all volumes. */
import { Arena, type Tenant } from './arena.js';
import { Epoch } from './epoch.js';
import { type Item, Lru } from './lru.js';

/** What parts of large files may have of it: they must not push out everything else. */
const BLOCK_SHARE = 0.5;
const MOST_ASIDE = 0.5;

export class Memory {
  /** Of all that can be given from it. */
  readonly epoch = new Epoch();
  /** Called before the least recently used is looked for: uses that were not told yet are to be told now. */
  beforeEviction: () => void = () => undefined;
  /** Whole files, and names. */
  readonly #objects = new Lru();
  /** Parts of large files. */
  readonly #blocks = new Lru();
  /** Their bytes. */
  readonly #arena: Arena;
  #evictions = 0;
  #aside = 0;

  /** `budget` in bytes. */
  constructor(readonly budget: number) {
    this.#arena = new Arena(budget, this.epoch);
  }

  get bytes(): number {
    return this.#objects.bytes + this.#blocks.bytes;
  }

  get blockBytes(): number {
    return this.#blocks.bytes;
  }

  get count(): number {
    return this.#objects.count + this.#blocks.count;
  }

  get evictions(): number {
    return this.#evictions;
  }

  /** Bytes of the budget that something else takes: up to half of it. What there is too much by then goes with what comes. */
  setAside(bytes: number): void {
    this.#aside = Math.min(bytes, this.budget * MOST_ASIDE);
  }

  /** Bytes that were taken for bodies, holes included. */
  get arenaBytes(): number {
    return this.#arena.size;
  }

  /** The same as `holdObject`, with `length` bytes for what is to come. */
  houseObject(tenant: Tenant, length: number, nowMs: number): boolean {
    if (!this.holdObject(tenant, nowMs)) return false;
    if (this.#arena.admit(tenant, length)) return true;
    this.dropObject(tenant);
    return false;
  }

  /** The same for a part of a large file. */
  houseBlock(tenant: Tenant, length: number, nowMs: number): boolean {
    if (!this.#holdBlock(tenant, nowMs)) return false;
    if (this.#arena.admit(tenant, length)) return true;
    this.dropBlock(tenant);
    return false;
  }

  /** Holds a file or name, and gives up what was not used for longest. false: there is no room, as all is in use. */
  holdObject(item: Item, nowMs: number): boolean {
    if (!this.#makeRoom(item.cost, nowMs)) return false;
    this.#objects.add(item, nowMs);
    return true;
  }

  #holdBlock(item: Item, nowMs: number): boolean {
    const most = this.budget * BLOCK_SHARE;
    if (item.cost > most) return false;
    while (this.#blocks.bytes + item.cost > most) {
      if (!this.#evict(this.#blocks, this.#blocks.oldest(nowMs))) return false;
    }
    if (!this.#makeRoom(item.cost, nowMs)) return false;
    this.#blocks.add(item, nowMs);
    return true;
  }

  useObject(item: Item, nowMs: number): void {
    this.#objects.use(item, nowMs);
  }

  useBlock(item: Item, nowMs: number): void {
    this.#blocks.use(item, nowMs);
  }

  /** Forgets it without a word to it. Harmless where it is not held. */
  dropObject(item: Item): void {
    this.epoch.next();
    this.#objects.remove(item);
  }

  dropBlock(item: Item): void {
    this.#blocks.remove(item);
  }

  #makeRoom(bytes: number, nowMs: number): boolean {
    const budget = this.budget - this.#aside;
    if (bytes > budget) return false;
    if (this.bytes + bytes > budget) this.beforeEviction();
    while (this.bytes + bytes > budget) {
      const object = this.#objects.oldest(nowMs);
      const block = this.#blocks.oldest(nowMs);
      const takesBlock = block !== null && (object === null || block.usedMs < object.usedMs);
      const given = takesBlock
        ? this.#evict(this.#blocks, block)
        : this.#evict(this.#objects, object);
      if (!given) return false;
    }
    return true;
  }

  #evict(list: Lru, item: Item | null): boolean {
    if (!item) return false;
    this.#evictions += 1;
    if (list === this.#objects) this.epoch.next();
    list.remove(item);
    item.evicted();
    return true;
  }
}
