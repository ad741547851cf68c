/**
 * Where the cache's bodies lie: large pieces of memory that are filled from one end to the other, so that what is given up makes
 * room at once, and not when JavaScript collects its garbage. Where holes have come to be too many, what lies between them is
 * moved, unless somebody is being sent it. See "The cache" in docs/architecture.md.
 */
import type { Epoch } from './epoch.js';
import { Item } from './lru.js';

/** Bytes. A region is about a 64th of the budget: enough of them that one of mostly holes is found. */
const REGIONS = 64;
const SMALLEST_REGION = 64 * 1024;
const LARGEST_REGION = 4 * 1024 * 1024;
/** The share of what is kept that may be lost to holes, and so many regions more. */
const MOST_IDLE = 1 / 12;
/** As measured: one byte in so many is lost to holes. */
const USUAL_IDLE = 16;
const SPARE_REGIONS = 2;
/** That are being filled: what is too long for the rest of one may be followed by what is not. */
const MOST_OPEN = 4;
/** Regions that are emptied in one go: 1 ms at most. */
const MOST_AT_ONCE = 4;
/** What could not be emptied since it is being sent is left alone for so many attempts. */
const REST = 16;
const ALIGNMENT = 8;
const NOTHING = new Uint8Array(0);

const rounded = (length: number): number => Math.ceil(length / ALIGNMENT) * ALIGNMENT;

/** Bytes that so many take, holes included. */
export const roomFor = (length: number): number => length + Math.ceil(length / USUAL_IDLE);

class Region {
  readonly tenants: Tenant[] = [];
  readonly #buffer: ArrayBuffer;
  /** Bytes from the beginning on that are, or were, somebody's. */
  #used = 0;
  /** Bytes that are somebody's. */
  live = 0;
  /** The attempt from which on it may be emptied. */
  notBefore = 0;

  constructor(
    readonly arena: Arena,
    readonly size: number,
  ) {
    this.#buffer = new ArrayBuffer(size);
  }

  get room(): number {
    return this.size - this.#used;
  }

  /** There must be room. */
  admit(tenant: Tenant, length: number): Uint8Array {
    const bytes = new Uint8Array(this.#buffer, this.#used, length);
    this.#used += rounded(length);
    this.live += rounded(length);
    tenant.region = this;
    tenant.seat = this.tenants.length;
    this.tenants.push(tenant);
    return bytes;
  }

  remove(tenant: Tenant): void {
    this.live -= rounded(tenant.bytes.length);
    const last = this.tenants.pop();
    if (last && last !== tenant) {
      last.seat = tenant.seat;
      this.tenants[last.seat] = last;
    }
    tenant.region = null;
    if (this.tenants.length === 0) this.#used = 0;
  }
}

/**
 * An item with bytes in an arena. Who holds it may keep `bytes`; anybody else reads them anew for each use, as they may be
 * elsewhere. They are there until it has ended and nobody holds it any more; from then on there are none.
 */
export abstract class Tenant extends Item {
  bytes: Uint8Array = NOTHING;
  /** The arena's own; null: the bytes are in no region. */
  region: Region | null = null;
  /** The arena's own. */
  seat = 0;
  #ended = false;

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Nobody will ask for it any more. Harmless the second time. */
  end(): void {
    this.#ended = true;
    if (!this.isInUse) this.#leave();
  }

  protected override rested(): void {
    if (this.#ended) this.#leave();
  }

  #leave(): void {
    this.region?.arena.remove(this);
    this.bytes = NOTHING;
  }
}

export class Arena {
  /** Bytes. What is longer has memory of its own. */
  readonly largest: number;
  readonly #regionSize: number;
  readonly #mostRegions: number;
  readonly #regions = new Set<Region>();
  readonly #free: Region[] = [];
  /** That are being filled. */
  readonly #open: Region[] = [];
  #live = 0;
  #attempts = 0;
  #moved = 0;

  /** `budget`: bytes that will be in it at most. `epoch`: goes on when something is moved. */
  constructor(
    budget: number,
    private readonly epoch: Epoch,
  ) {
    const wanted = 2 ** Math.floor(Math.log2(Math.max(1, budget / REGIONS)));
    this.#regionSize = Math.min(LARGEST_REGION, Math.max(SMALLEST_REGION, wanted));
    this.#mostRegions =
      Math.ceil((budget * (1 + MOST_IDLE)) / this.#regionSize) + 2 * SPARE_REGIONS;
    this.largest = this.#regionSize / 2;
  }

  /** Bytes that it takes. */
  get size(): number {
    return this.#regions.size * this.#regionSize;
  }

  /** Bytes that are somebody's. */
  get live(): number {
    return this.#live;
  }

  /** Bytes that were moved so far. */
  get moved(): number {
    return this.#moved;
  }

  /** Gives it `length` bytes; what is in them is not said. false: what is there is being sent, and leaves no room. */
  admit(tenant: Tenant, length: number): boolean {
    if (tenant.region) throw new Error('it has its bytes already');
    if (length > this.largest) {
      tenant.bytes = Buffer.allocUnsafeSlow(length);
      return true;
    }
    const region = this.#opened(rounded(length)) ?? this.#makeRoom(rounded(length));
    if (!region) return false;
    tenant.bytes = region.admit(tenant, length);
    this.#live += rounded(length);
    return true;
  }

  /** Takes its bytes away. */
  remove(tenant: Tenant): void {
    const { region } = tenant;
    if (!region) return;
    this.#live -= rounded(tenant.bytes.length);
    region.remove(tenant);
    if (region.tenants.length === 0 && !this.#open.includes(region)) this.#release(region);
  }

  /** What is not needed soon is left to the garbage collector. */
  #release(region: Region): void {
    region.notBefore = 0;
    if (this.size - this.#live <= 2 * this.#mostIdle) this.#free.push(region);
    else this.#regions.delete(region);
  }

  /** Bytes of holes, free regions and such that are being filled. */
  get #mostIdle(): number {
    return this.#live * MOST_IDLE + SPARE_REGIONS * this.#regionSize;
  }

  #opened(size: number): Region | null {
    for (const region of this.#open) if (region.room >= size) return region;
    return null;
  }

  /** One free region is left for what is moved. */
  #makeRoom(size: number): Region | null {
    for (let emptied = 0; emptied < MOST_AT_ONCE && this.#free.length <= 1; emptied++) {
      if (this.size - this.#live <= this.#mostIdle || !this.#emptyOne()) break;
      const region = this.#opened(size);
      if (region) return region;
    }
    return this.#openAnother();
  }

  /** The others stay as they are; of more than a few the fullest is not filled any more. null: there are too many. */
  #openAnother(): Region | null {
    let region = this.#free.pop();
    if (!region) {
      if (this.#regions.size >= this.#mostRegions) return null;
      region = new Region(this, this.#regionSize);
      this.#regions.add(region);
    }
    this.#open.push(region);
    if (this.#open.length > MOST_OPEN) this.#close();
    return region;
  }

  #close(): void {
    let fullest = 0;
    for (const [index, { room }] of this.#open.entries()) {
      if (room < (this.#open[fullest]?.room ?? 0)) fullest = index;
    }
    const [closed] = this.#open.splice(fullest, 1);
    if (closed?.tenants.length === 0) this.#release(closed);
  }

  /** Moves what is in the emptiest region elsewhere. false: there is none where that makes room. */
  #emptyOne(): boolean {
    this.#attempts += 1;
    let emptiest: Region | null = null;
    for (const region of this.#regions) {
      if (region.notBefore > this.#attempts || region.tenants.length === 0) continue;
      if (this.#open.includes(region)) continue;
      if (!emptiest || region.live < emptiest.live) emptiest = region;
    }
    if (!emptiest || emptiest.live === emptiest.size) return false;
    // From the end on: what leaves is replaced by the last.
    for (let index = emptiest.tenants.length - 1; index >= 0; index--) {
      const tenant = emptiest.tenants[index];
      if (tenant && !tenant.isInUse) {
        if (!this.#move(tenant)) break;
      }
    }
    if (emptiest.tenants.length > 0) emptiest.notBefore = this.#attempts + REST;
    return true;
  }

  #move(tenant: Tenant): boolean {
    const { bytes } = tenant;
    const size = rounded(bytes.length);
    const region = this.#opened(size) ?? this.#openAnother();
    if (!region) return false;
    this.epoch.next();
    this.remove(tenant);
    this.#live += size;
    // Its former bytes are still what they were: nothing is written into a region before this has ended.
    tenant.bytes = region.admit(tenant, bytes.length);
    tenant.bytes.set(bytes);
    this.#moved += size;
    return true;
  }
}
