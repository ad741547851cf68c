/** What a cache knows: names, and the files that they stand for. */
import type { Cancel, Chunk, Compression, Kept, KeptFile, OpenRequest, Stat } from '../storage.js';
import { roomFor, Tenant } from './arena.js';
import type { Large } from './large.js';
import { Item } from './lru.js';
import type { Memory } from './memory.js';
import { type Variant, Variants, type Workshop } from './variants.js';
import type { Watch, Watches } from './watches.js';

/**
 * Bytes that an entry takes beside its content: objects, map entries and strings, 1.1 KiB of heap together, of which half as much
 * again is being collected at any time; and a share in the heads that are kept. test/unit/cache_memory.test.ts measures it.
 */
const CONTENT_OVERHEAD = 800;
const NAME_OVERHEAD = 1_000;
const LARGE_OVERHEAD = 16 * 1024;

/** Bytes of the budget that a whole file takes, without its names. */
export const contentCost = (size: number): number => roomFor(size) + CONTENT_OVERHEAD;

/** Bytes of the budget that a name takes. */
export const nameCost = (key: string): number => NAME_OVERHEAD + 2 * key.length;

/** A whole file. */
export class Content extends Tenant implements Chunk {
  /** One that stands for it, as most have no other. */
  #name: Name | null = null;
  #others: Set<Name> | null = null;
  /** null: none has been wanted yet. */
  #variants: Variants | null = null;

  /** What is read before that may not be so for good (settling.ts), though the stat stays; 0: it is. */
  doubtedUntilMs = 0;

  constructor(
    readonly stat: Stat,
    private readonly ground: Ground,
  ) {
    super(contentCost(stat.size));
  }

  /** Whether it must be read again, as it was read too soon after a change. */
  get isDoubted(): boolean {
    return this.doubtedUntilMs > 0;
  }

  /** It was read again, and was the same. */
  wasRightAt(nowMs: number): void {
    if (nowMs >= this.doubtedUntilMs) this.doubtedUntilMs = 0;
  }

  get shared(): true {
    return true;
  }

  /** Those that stand for it: it lives as long as there is one. */
  names(): readonly Name[] {
    return [...(this.#name ? [this.#name] : []), ...(this.#others ?? [])];
  }

  get isNamed(): boolean {
    return this.#name !== null || (this.#others !== null && this.#others.size > 0);
  }

  addName(name: Name): void {
    if (this.#name) {
      this.#others ??= new Set();
      this.#others.add(name);
    } else {
      this.#name = name;
    }
  }

  removeName(name: Name): void {
    if (this.#name === name) this.#name = null;
    else this.#others?.delete(name);
  }

  override evicted(): void {
    this.ground.discard(this);
  }

  /** To be released. */
  lend(): Chunk {
    this.hold();
    return this;
  }

  /** Its compressed forms. */
  variants(): Variants {
    this.#variants ??= new Variants(this, this.ground.workshop);
    return this.#variants;
  }

  /** It is forgotten by whoever calls. */
  override end(): void {
    this.#variants?.drop();
    super.end();
  }
}

/** What was found under a name. */
export type Found =
  | { readonly kind: 'absent'; readonly errno: number }
  | { readonly kind: 'directory'; readonly candidate: number; readonly stat: Stat }
  /** `content` is null where only the stat was wanted so far, or where it is not to be kept. */
  | {
      readonly kind: 'file';
      readonly candidate: number;
      readonly stat: Stat;
      readonly content: Content | null;
    }
  | {
      readonly kind: 'large';
      readonly candidate: number;
      readonly stat: Stat;
      readonly large: Large;
    };

const NOTHING: Found = { kind: 'absent', errno: 0 };

/** What names share: the clock of changes, the budget, and where uses are counted. */
export interface Ground {
  readonly watches: Watches;
  readonly memory: Memory;
  readonly workshop: Workshop;
  readonly onHits: (count: number) => void;
  readonly forget: (name: Name) => void;
  readonly discard: (content: Content) => void;
}

/** Candidates under a root, and what they led to. */
export class Name extends Item implements KeptFile {
  /** Whether it is still what its key stands for. */
  alive = true;
  /** It rests on these: gfids of the way to it, and its own. */
  #watches: readonly Watch[] = [];
  /** The counter of changes when the look began that found it. */
  #at = 0;
  /** The counter when it was last seen that nothing has changed since. */
  #seenAt = 0;
  #validatedMs = 0;
  #expiresMs = 0;

  #found: Found;

  constructor(
    readonly key: string,
    found: Found,
    private readonly ground: Ground,
  ) {
    super(nameCost(key) + (found.kind === 'large' ? LARGE_OVERHEAD : 0));
    this.#found = found;
    if (found.kind === 'large') found.large.hold();
    if (found.kind === 'file') found.content?.addName(this);
  }

  /** Nothing, once it has ended. */
  get found(): Found {
    return this.#found;
  }

  get stat(): Stat {
    if (this.found.kind === 'absent') throw new Error('what is not there has no stat');
    return this.found.stat;
  }

  /** Of the whole file. */
  get bytes(): Uint8Array {
    if (!this.content) throw new Error('it is not kept whole');
    return this.content.bytes;
  }

  lend(): Chunk {
    if (!this.content) throw new Error('it is not kept whole');
    return this.content.lend();
  }

  /** -1: it stands for nothing. */
  get candidate(): number {
    return this.#found.kind === 'absent' ? -1 : this.#found.candidate;
  }

  /** null: it stands for no file that is kept whole. */
  get content(): Content | null {
    return this.#found.kind === 'file' ? this.#found.content : null;
  }

  variant(encoding: Compression): Kept | 'untried' | 'none' {
    const { content } = this;
    if (!content) return 'none';
    const found = content.variants().find(encoding);
    return typeof found === 'string' ? found : new KeptVariant(this, content.stat, found);
  }

  compress(encoding: Compression, waitedMs: number, done: (variant: Kept | null) => void): Cancel {
    const { content } = this;
    if (!content) throw new Error('it is not kept whole');
    const { stat } = content;
    return content
      .variants()
      .make(encoding, waitedMs, (made) => done(made && new KeptVariant(this, stat, made)));
  }

  get watches(): readonly Watch[] {
    return this.#watches;
  }

  get at(): number {
    return this.#at;
  }

  get validatedMs(): number {
    return this.#validatedMs;
  }

  /** It was so at `sinceMs`, when the counter stood at `at`; takes the watches over. */
  validated(watches: readonly Watch[], at: number, sinceMs: number, validMs: number): void {
    const before = this.#watches;
    // Not the array itself, which has room for more.
    this.#watches = watches.slice();
    for (const watch of before) this.ground.watches.release(watch);
    this.#at = this.#seenAt = at;
    // Whole numbers take no memory of their own.
    this.#validatedMs = Math.floor(sinceMs);
    this.#expiresMs = this.#validatedMs + validMs;
  }

  /** Whether it may be given without asking. */
  isFresh(nowMs: number): boolean {
    if (nowMs >= this.#expiresMs || !this.alive) return false;
    const { watches } = this.ground;
    if (this.#seenAt === watches.counter) return true;
    if (watches.changedSince(this.#watches, this.#at)) return false;
    this.#seenAt = watches.counter;
    return true;
  }

  /** The same, and a look showed afterwards that it had not changed by itself: only events can have ended it. */
  wasToldOfChange(): boolean {
    return this.ground.watches.changedSince(this.#watches, this.#at);
  }

  ttlMs(nowMs: number): number {
    return this.#expiresMs - nowMs;
  }

  /** Whether it may be given although the volume can't be asked: a file, for so long after it was seen to be so. */
  mayBeStale(forMs: number): boolean {
    if (!this.alive || this.#found.kind === 'absent') return false;
    return performance.now() - this.#validatedMs <= forMs;
  }

  take(nowMs: number): boolean {
    if (!this.isFresh(nowMs)) return false;
    this.use(nowMs);
    this.ground.onHits(1);
    return true;
  }

  used(count: number, nowMs: number): void {
    this.ground.onHits(count);
    if (this.alive) this.use(nowMs);
  }

  use(nowMs: number): void {
    const { memory } = this.ground;
    memory.useObject(this, nowMs);
    if (this.content) memory.useObject(this.content, nowMs);
  }

  /** Before the file itself, so that it is given up before that. */
  useVariant(variant: Variant, nowMs: number): void {
    this.ground.memory.useObject(variant, nowMs);
  }

  /** It is forgotten by whoever calls. */
  end(): void {
    this.alive = false;
    for (const watch of this.#watches) this.ground.watches.release(watch);
    this.#watches = [];
    if (this.found.kind === 'large') this.found.large.drop();
    if (this.found.kind === 'file') this.found.content?.removeName(this);
    // Who still knows the name must not keep the content.
    this.#found = NOTHING;
  }

  /** With it its file would go. */
  override get isInUse(): boolean {
    return this.content?.isInUse === true;
  }

  override evicted(): void {
    this.ground.forget(this);
  }
}

/** A compressed form of the file that a name stands for: it may be given for as long as that may. */
class KeptVariant implements Kept {
  constructor(
    private readonly name: Name,
    readonly stat: Stat,
    private readonly variant: Variant,
  ) {}

  get bytes(): Uint8Array {
    return this.variant.bytes;
  }

  get alive(): boolean {
    return this.variant.held && this.name.alive;
  }

  take(nowMs: number): boolean {
    if (!this.variant.held) return false;
    this.name.useVariant(this.variant, nowMs);
    return this.name.take(nowMs);
  }

  used(count: number, nowMs: number): void {
    if (this.variant.held) this.name.useVariant(this.variant, nowMs);
    this.name.used(count, nowMs);
  }

  ttlMs(nowMs: number): number {
    return this.name.ttlMs(nowMs);
  }

  lend(): Chunk {
    return this.variant.lend();
  }
}

/** What a request asks for: what its name is called by. */
export function keyOf({ root, candidates }: OpenRequest): string {
  const [first = ''] = candidates;
  return candidates.length === 1 ? `${root}\0${first}` : `${root}\0${candidates.join('\0')}`;
}

/** The same text in one piece: as it was put together it keeps its parts, or that of which it is one. It is of bytes. */
export const inOnePiece = (key: string): string => Buffer.from(key, 'latin1').toString('latin1');

const lean = (value: number): number => (value === (value | 0) ? value | 0 : value);

/** The same in numbers that take no memory of their own, as far as there are such. */
export const leanStat = (stat: Stat): Stat => ({
  type: stat.type,
  size: lean(stat.size),
  mtimeSeconds: lean(stat.mtimeSeconds),
  mtimeNanoseconds: lean(stat.mtimeNanoseconds),
  ctimeSeconds: lean(stat.ctimeSeconds),
  ctimeNanoseconds: lean(stat.ctimeNanoseconds),
  gfid: stat.gfid,
});

/** A version that need not be read again, where it is still that. */
export function knownOf(
  name: Name | null,
  body: boolean,
): { readonly candidate: number; readonly stat: Stat } | null {
  if (!name || name.found.kind === 'absent' || name.found.kind === 'directory') return null;
  const { found } = name;
  if (name.content?.isDoubted === true) return null;
  const enough = !body || found.kind === 'large' || found.content !== null || found.stat.size === 0;
  return enough ? { candidate: found.candidate, stat: found.stat } : null;
}
