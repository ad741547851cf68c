/**
 * A file that is too large to be kept whole: its parts are kept that several requests wanted, so that a download from one
 * end to the other, however large, leaves nothing behind. One open file serves all requests.
 */
import {
  type Cancel,
  type Chunk,
  type OpenFile,
  type OpenResult,
  type ReadResult,
  type Stat,
  type StorageError,
  withRoom,
} from '../storage.js';
import { roomFor, Tenant } from './arena.js';
import type { Memory } from './memory.js';

/** Bytes. What comes in one read, and is kept or not as a whole. */
export const BLOCK_SIZE = 256 * 1024;
/** What is around a block's bytes. */
const BLOCK_OVERHEAD = 512;
/** The open file is kept so long after its last reader. */
const IDLE_MS = 5_000;
/** Parts of which it is remembered who wanted them last. */
const MOST_WANTED = 4_096;

class Block extends Tenant {
  constructor(
    private readonly large: Large,
    readonly index: number,
    length: number,
  ) {
    super(roomFor(length) + BLOCK_OVERHEAD);
  }

  evicted(): void {
    this.large.forget(this);
    this.end();
  }
}

type Done = (result: ReadResult) => void;

interface Wanted {
  readonly from: number;
  readonly to: number;
  readonly done: Done;
}

const CHANGED: StorageError = { ok: false, code: 'changed', errno: 0 };

export const sameVersion = (a: Stat, b: Stat): boolean =>
  a.gfid === b.gfid &&
  a.size === b.size &&
  a.mtimeSeconds === b.mtimeSeconds &&
  a.mtimeNanoseconds === b.mtimeNanoseconds;

export const isIdentical = (a: Stat, b: Stat): boolean =>
  sameVersion(a, b) &&
  a.type === b.type &&
  a.ctimeSeconds === b.ctimeSeconds &&
  a.ctimeNanoseconds === b.ctimeNanoseconds;

export interface LargeOptions {
  readonly stat: Stat;
  readonly memory: Memory;
  /** Opens the file by its name, to be read from `from` on. */
  readonly open: (from: number, waitedMs: number, done: (result: OpenResult) => void) => Cancel;
  /** In milliseconds of performance.now(): what is read before may not be so for good, and is not kept. */
  readonly keepsFromMs: number;
}

export class Large {
  readonly stat: Stat;
  readonly #memory: Memory;
  readonly #open: LargeOptions['open'];
  readonly #keepsFromMs: number;
  readonly #blocks = new Map<number, Block>();
  readonly #loading = new Map<number, Wanted[]>();
  /** Which reader wanted a part last. */
  readonly #wanted = new Map<number, number>();
  #file: OpenFile | null;
  #opening: ((file: OpenFile | StorageError) => void)[] | null = null;
  #names = 0;
  #readers = 0;
  #nextReader = 1;
  #idle: NodeJS.Timeout | null = null;
  #dead = false;

  /** Takes over `file`, which may be null. */
  constructor({ stat, memory, open, keepsFromMs }: LargeOptions, file: OpenFile | null) {
    this.stat = stat;
    this.#memory = memory;
    this.#open = open;
    this.#keepsFromMs = keepsFromMs;
    this.#file = file;
    this.#rest();
  }

  /** For one request; to be released. */
  reader(): OpenFile {
    const number = this.#nextReader++;
    this.#readers += 1;
    if (this.#idle) clearTimeout(this.#idle);
    this.#idle = null;
    let released = false;
    return {
      read: (offset, length, done, waitedMs = 0) =>
        this.#read(number, offset, length, done, waitedMs),
      fit: (offset, length) => this.#fit(number, offset, length),
      release: () => {
        if (released) throw new Error('a file was released twice');
        released = true;
        this.#readers -= 1;
        this.#rest();
      },
    };
  }

  get isDead(): boolean {
    return this.#dead;
  }

  /** One name more stands for it. */
  hold(): void {
    this.#names += 1;
  }

  /** One less. After the last one nothing is kept of it; who reads it goes on. */
  drop(): void {
    this.#names -= 1;
    if (this.#names > 0) return;
    this.#dead = true;
    for (const block of this.#blocks.values()) {
      this.#memory.dropBlock(block);
      block.end();
    }
    this.#blocks.clear();
    this.#rest();
  }

  forget(block: Block): void {
    this.#blocks.delete(block.index);
  }

  #rest(): void {
    if (this.#readers > 0) return;
    if (this.#dead) this.#close();
    else if (this.#file && !this.#idle)
      this.#idle = setTimeout(() => this.#close(), IDLE_MS).unref();
  }

  #close(): void {
    if (this.#idle) clearTimeout(this.#idle);
    this.#idle = null;
    this.#file?.release();
    this.#file = null;
  }

  /** Up to the end of a part that is here, on its way, or about to be kept; else all. */
  #fit(reader: number, offset: number, length: number): number {
    const index = Math.floor(offset / BLOCK_SIZE);
    if (!this.#isKept(reader, index)) return withRoom(length);
    return Math.min(length, (index + 1) * BLOCK_SIZE - offset);
  }

  #isKept(reader: number, index: number): boolean {
    if (this.#blocks.has(index) || this.#loading.has(index)) return true;
    const other = this.#wanted.get(index);
    if (other === undefined || other === reader || this.#dead) return false;
    return performance.now() >= this.#keepsFromMs;
  }

  #read(reader: number, offset: number, length: number, done: Done, waitedMs: number): void {
    const index = Math.floor(offset / BLOCK_SIZE);
    const start = index * BLOCK_SIZE;
    const inside = offset + length <= start + BLOCK_SIZE;
    if (!inside || !this.#isKept(reader, index)) {
      this.#note(reader, offset, length);
      this.#native(offset, length, done, waitedMs);
      return;
    }
    const wanted = { from: offset - start, to: offset - start + length, done };
    const block = this.#blocks.get(index);
    const loading = this.#loading.get(index);
    if (block) {
      this.#memory.useBlock(block, performance.now());
      const result = this.#slice(block, wanted);
      queueMicrotask(() => done(result));
    } else if (loading) {
      loading.push(wanted);
    } else {
      this.#load(index, wanted, waitedMs);
    }
  }

  #note(reader: number, offset: number, length: number): void {
    const last = Math.floor((offset + length - 1) / BLOCK_SIZE);
    for (let index = Math.floor(offset / BLOCK_SIZE); index <= last; index++) {
      this.#wanted.delete(index);
      this.#wanted.set(index, reader);
    }
    for (const index of this.#wanted.keys()) {
      if (this.#wanted.size <= MOST_WANTED) break;
      this.#wanted.delete(index);
    }
  }

  /** One read for all who want the part meanwhile. */
  #load(index: number, first: Wanted, waitedMs: number): void {
    const start = index * BLOCK_SIZE;
    const length = Math.min(BLOCK_SIZE, this.stat.size - start);
    const waiting = [first];
    this.#loading.set(index, waiting);
    this.#native(
      start,
      length,
      (result) => {
        this.#loading.delete(index);
        if (!result.ok) {
          for (const { done } of waiting) done(result);
          return;
        }
        const block = new Block(this, index, length);
        if (!this.#dead && this.#memory.houseBlock(block, length, performance.now())) {
          this.#blocks.set(index, block);
          this.#wanted.delete(index);
        } else {
          block.bytes = Buffer.allocUnsafeSlow(length);
        }
        block.bytes.set(result.chunk.bytes);
        result.chunk.release();
        // Who is told first may have it given up.
        block.hold();
        for (const wanted of waiting) wanted.done(this.#slice(block, wanted));
        block.release();
      },
      waitedMs,
    );
  }

  #slice(block: Block, { from, to }: Wanted): { readonly ok: true; readonly chunk: Chunk } {
    block.hold();
    const chunk: Chunk = {
      bytes: block.bytes.subarray(from, to),
      shared: true,
      release: () => block.release(),
    };
    return { ok: true, chunk };
  }

  #native(offset: number, length: number, done: Done, waitedMs: number): void {
    if (this.#file) {
      this.#file.read(offset, length, done, waitedMs);
      return;
    }
    const opened = (file: OpenFile | StorageError): void => {
      if ('ok' in file) done(file);
      else file.read(offset, length, done, waitedMs);
    };
    if (this.#opening) this.#opening.push(opened);
    else this.#reopen(offset, waitedMs, opened);
  }

  /** By its name, which must still stand for this version. */
  #reopen(from: number, waitedMs: number, first: (file: OpenFile | StorageError) => void): void {
    const waiting = [first];
    this.#opening = waiting;
    this.#open(from, waitedMs, (result) => {
      this.#opening = null;
      const outcome = this.#reopened(result);
      for (const each of waiting) each(outcome);
      this.#rest();
    });
  }

  #reopened(result: OpenResult): OpenFile | StorageError {
    if (!result.ok) return result.code === 'not-found' ? CHANGED : result;
    result.chunk?.release();
    result.folder?.release();
    if (result.file && sameVersion(result.stat, this.stat)) {
      this.#file = result.file;
      return result.file;
    }
    result.file?.release();
    return CHANGED;
  }
}
