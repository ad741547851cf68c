/** The compressed forms of one file that is kept whole: each made once, for all who want it, and kept as long as the file. */
import type { Cancel, Chunk, Compression } from '../storage.js';
import { roomFor, Tenant } from './arena.js';
import type { Compressor } from './compressor.js';
import type { Memory } from './memory.js';

/** Bytes that one takes beside its content: objects, and the head that is kept with it. */
const OVERHEAD = 900;
/** Where there was no room for it, it is not made again sooner. */
const AGAIN_MS = 10_000;

/** The file: what holds it is held by whoever is sent one of its forms. */
export interface Source {
  readonly bytes: Uint8Array;
  hold(): void;
  release(): void;
}

/** What the variants of all files share. */
export interface Workshop {
  readonly memory: Memory;
  readonly compressor: Compressor;
  readonly requestTimeoutMs: number;
}

export class Variant extends Tenant {
  /** null once it has ended: who still knows it must not keep the file. */
  #life: Life | null;

  constructor(length: number, life: Life) {
    super(roomFor(length) + OVERHEAD);
    this.#life = life;
  }

  /** To be released. */
  lend(): Chunk {
    if (!this.#life) throw new Error('it is not kept any more');
    const { source } = this.#life;
    this.hold();
    source.hold();
    return {
      bytes: this.bytes,
      shared: true,
      release: () => {
        this.release();
        source.release();
      },
    };
  }

  override end(): void {
    this.#life = null;
    super.end();
  }

  override evicted(): void {
    this.#life?.forget(this);
  }
}

interface Life {
  readonly source: Source;
  readonly forget: (variant: Variant) => void;
}

type Done = (variant: Variant | null) => void;

interface Pending {
  readonly waiters: Set<Done>;
  /** Takes it back if it has not begun. */
  takeBack: () => boolean;
}

export class Variants {
  readonly #kept = new Map<Compression, Variant>();
  readonly #pending = new Map<Compression, Pending>();
  /** When it may be tried again, by performance.now(); Infinity: it would hardly be smaller. */
  readonly #notBefore = new Map<Compression, number>();
  #ended = false;

  constructor(
    private readonly source: Source,
    private readonly workshop: Workshop,
  ) {}

  /** It, if it is there; 'none': it is not worth it. */
  find(encoding: Compression): Variant | 'untried' | 'none' {
    const variant = this.#kept.get(encoding);
    if (variant) return variant;
    return this.#notBefore.get(encoding) === Number.POSITIVE_INFINITY ? 'none' : 'untried';
  }

  /**
   * `done` gets null where it is not to be had, or not before the request's deadline; it is never called from inside this
   * call. What it gets is only certain to have its bytes until it returns or lends them.
   */
  make(encoding: Compression, waitedMs: number, done: Done): Cancel {
    const waiter: Done = (variant) => {
      clearTimeout(timer);
      done(variant);
    };
    const pending = this.#join(encoding, waiter);
    const leave = (): void => {
      clearTimeout(timer);
      this.#leave(encoding, pending, waiter);
    };
    const timer = setTimeout(
      () => {
        leave();
        done(null);
      },
      Math.max(0, this.workshop.requestTimeoutMs - waitedMs),
    );
    return leave;
  }

  /** The file is given up. */
  drop(): void {
    this.#ended = true;
    for (const variant of this.#kept.values()) {
      this.workshop.memory.dropObject(variant);
      variant.end();
    }
    this.#kept.clear();
  }

  #join(encoding: Compression, waiter: Done): Pending {
    const there = this.#pending.get(encoding);
    if (there) {
      there.waiters.add(waiter);
      return there;
    }
    const pending: Pending = { waiters: new Set([waiter]), takeBack: () => false };
    this.#pending.set(encoding, pending);
    // It is being read: it can't be given up meanwhile.
    this.source.hold();
    const at = this.#notBefore.get(encoding) ?? 0;
    if (this.#kept.has(encoding) || performance.now() < at) {
      queueMicrotask(() => this.#tell(encoding, pending, this.#kept.get(encoding) ?? null));
      return pending;
    }
    pending.takeBack = this.workshop.compressor.compress(encoding, this.source.bytes, (result) => {
      if (result === 'too-large') this.#notBefore.set(encoding, Number.POSITIVE_INFINITY);
      if (typeof result === 'string') this.#tell(encoding, pending, null);
      else this.#made(encoding, pending, result);
    });
    return pending;
  }

  #leave(encoding: Compression, pending: Pending, waiter: Done): void {
    pending.waiters.delete(waiter);
    if (pending.waiters.size > 0) return;
    // What has begun is finished, and kept: somebody wanted it.
    if (pending.takeBack()) this.#finish(encoding);
  }

  #made(encoding: Compression, pending: Pending, bytes: Uint8Array): void {
    const variant = new Variant(bytes.length, {
      source: this.source,
      forget: (each) => this.#forget(encoding, each),
    });
    const nowMs = performance.now();
    const kept = !this.#ended && this.workshop.memory.houseObject(variant, bytes.length, nowMs);
    if (kept) {
      variant.bytes.set(bytes);
      this.#kept.set(encoding, variant);
    } else {
      variant.bytes = bytes;
      this.#notBefore.set(encoding, nowMs + AGAIN_MS);
    }
    // Who is told first may have it given up.
    variant.hold();
    this.#tell(encoding, pending, variant);
    variant.release();
    if (!kept) variant.end();
  }

  #tell(encoding: Compression, { waiters }: Pending, variant: Variant | null): void {
    this.#finish(encoding);
    for (const waiter of waiters) waiter(variant);
  }

  #finish(encoding: Compression): void {
    this.#pending.delete(encoding);
    this.source.release();
  }

  #forget(encoding: Compression, variant: Variant): void {
    if (this.#kept.get(encoding) === variant) this.#kept.delete(encoding);
    variant.end();
  }
}
