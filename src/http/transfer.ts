/**
 * One file on its way to one client: chunks are read ahead while the client takes them, and not faster.
 *
 * Memory: a client that takes 1 MB/s or more has up to 3 chunks of at most 1 MiB; a slower one has one of 64 KiB. Once
 * all of a worker's transfers together hold CHUNK_BUDGET, each further chunk is of 64 KiB, and nothing is read ahead.
 */
import type { HttpResponse } from 'uWebSockets.js';
import type { Chunk, OpenFile, ReadResult } from '../storage/storage.js';

const SMALLEST_CHUNK = 64 * 1024;
const LARGEST_CHUNK = 1024 * 1024;
/** A chunk should last a client about this long. */
const CHUNK_SECONDS = 0.05;
/** Bytes a second, from which on reading ahead pays. */
const READ_AHEAD_RATE = 1_000_000;
const READ_AHEAD_CHUNKS = 2;
const CHUNK_BUDGET = 64 * 1024 * 1024;

/**
 * uWebSockets.js ends a connection 10 s after a write that did not fit. Writing again re-arms that, so a client may rest
 * for as long as send-timeout says.
 */
const REARM_MS = 4_000;
const TICK_MS = 1_000;
/** A client that takes nothing for this long loses what was read ahead for it. */
const STALLED_MS = 1_000;

/** What a worker's transfers share. */
export class Transfers {
  readonly #active = new Set<Transfer>();
  #timer: NodeJS.Timeout | null = null;
  /** Bytes in chunks that are held or being read. */
  heldBytes = 0;

  /** `sendTimeoutMs`: a client that takes nothing for so long is cut off. */
  constructor(private readonly sendTimeoutMs: number) {}

  add(transfer: Transfer): void {
    this.#active.add(transfer);
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  remove(transfer: Transfer): void {
    this.#active.delete(transfer);
  }

  #tick(): void {
    const now = performance.now();
    for (const transfer of this.#active) transfer.tick(now, this.sendTimeoutMs);
    if (this.#active.size === 0 && this.#timer) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }
}

/** A chunk that was asked for, in the file's order. */
interface Slot {
  readonly offset: number;
  readonly length: number;
  /** null until it has been read. */
  chunk: Chunk | null;
  /** Nobody wants it any more: what is read is given back. */
  dropped: boolean;
}

export class Transfer {
  /** In order of offset; the first is the one that is being sent. */
  readonly #slots: Slot[] = [];
  /** Where the next read begins. */
  #nextOffset: number;
  /** Bytes of the first slot's chunk that the socket has taken. */
  #taken = 0;
  /** The socket's buffer is full; onWritable will say when it is not. */
  #blocked = false;
  #ended = false;
  #rate = 0;
  #chunkStarted = 0;
  #lastProgress = 0;
  #lastWrite = 0;
  #written = 0;

  /** Takes over `first`, the file's first bytes, and `file`, which has the rest. */
  constructor(
    private readonly res: HttpResponse,
    private readonly size: number,
    first: Chunk,
    private readonly file: OpenFile | null,
    private readonly transfers: Transfers,
    private readonly sent: (bodyBytes: number, complete: boolean) => void,
  ) {
    this.#slots.push({ offset: 0, length: first.bytes.length, chunk: first, dropped: false });
    transfers.heldBytes += first.bytes.length;
    this.#nextOffset = first.bytes.length;
  }

  /** Inside a cork, after the head. */
  start(): void {
    this.#lastProgress = this.#lastWrite = this.#chunkStarted = performance.now();
    this.#pump();
    if (this.#ended) return;
    this.transfers.add(this);
    this.res.onWritable((offset) => this.#onWritable(offset));
  }

  /** The client has gone. */
  abort(): void {
    this.#end(false);
  }

  /** Called about once a second while the transfer lasts. */
  tick(now: number, sendTimeoutMs: number): void {
    if (this.#ended || !this.#blocked) return;
    if (now - this.#lastProgress >= sendTimeoutMs) {
      this.res.close(); // calls the abort handler
      return;
    }
    if (now - this.#lastProgress >= STALLED_MS) this.#dropReadAhead();
    if (now - this.#lastWrite >= REARM_MS) {
      this.res.cork(() => this.#pump());
    }
  }

  #onWritable(offset: number): boolean {
    if (offset !== this.#written) this.#progress(offset);
    this.#pump();
    return !this.#blocked;
  }

  #progress(written: number): void {
    this.#written = written;
    this.#lastProgress = performance.now();
  }

  /** Writes what there is until the socket is full, and keeps reads going. */
  #pump(): void {
    this.#blocked = false;
    while (!this.#ended) {
      const slot = this.#slots[0];
      if (!slot?.chunk) break;
      if (this.#taken < slot.length && !this.#write(slot, slot.chunk)) break;
      if (this.#taken === slot.length) this.#finishSlot(slot, slot.chunk);
    }
    if (!this.#ended) this.#readOn();
  }

  /** false: stop writing, because the socket is full or all is sent. */
  #write(slot: Slot, chunk: Chunk): boolean {
    // Never with nothing to send: uWebSockets.js takes an empty chunk for the end of the answer.
    const rest = this.#taken === 0 ? chunk.bytes : chunk.bytes.subarray(this.#taken);
    this.#lastWrite = performance.now();
    const [ok, done] = this.res.tryEnd(rest, this.size);
    if (done) {
      this.#progress(this.size);
      this.#end(true);
      return false;
    }
    if (ok) {
      this.#taken = slot.length;
      this.#progress(slot.offset + slot.length);
      return true;
    }
    const offset = this.res.getWriteOffset();
    if (offset !== this.#written) this.#progress(offset);
    this.#taken = offset - slot.offset;
    this.#blocked = true;
    return false;
  }

  #finishSlot(slot: Slot, chunk: Chunk): void {
    const now = performance.now();
    const seconds = Math.max(now - this.#chunkStarted, 0.01) / 1000;
    // The last few chunks count, so that a burst into an empty socket buffer does not make a slow client look fast.
    const rate = slot.length / seconds;
    this.#rate = this.#rate === 0 ? rate : this.#rate * 0.7 + Math.min(rate, this.#rate * 4) * 0.3;
    this.#chunkStarted = now;
    this.#slots.shift();
    this.#taken = 0;
    this.#giveBack(slot, chunk);
  }

  #giveBack(slot: Slot, chunk: Chunk | null): void {
    if (slot.dropped) return;
    slot.dropped = true;
    this.transfers.heldBytes -= slot.length;
    chunk?.release();
  }

  #dropReadAhead(): void {
    const [current, ...ahead] = this.#slots;
    if (!current || ahead.length === 0) return;
    for (const slot of ahead) this.#giveBack(slot, slot.chunk);
    this.#slots.length = 1;
    this.#nextOffset = current.offset + current.length;
    this.#rate = 0;
  }

  #readOn(): void {
    const fast = this.#rate >= READ_AHEAD_RATE;
    while (this.file && this.#nextOffset < this.size) {
      const ahead = this.#slots.length > 0;
      if (ahead && (!fast || this.#slots.length > READ_AHEAD_CHUNKS)) return;
      const length = Math.min(this.#chunkSize(), this.size - this.#nextOffset);
      if (ahead && this.transfers.heldBytes + length > CHUNK_BUDGET) return;
      this.#read(this.file, { offset: this.#nextOffset, length, chunk: null, dropped: false });
      this.#nextOffset += length;
    }
  }

  /** A power of two, as the blocks are. */
  #chunkSize(): number {
    if (this.transfers.heldBytes >= CHUNK_BUDGET) return SMALLEST_CHUNK;
    const wanted = this.#rate * CHUNK_SECONDS;
    let size = SMALLEST_CHUNK;
    while (size < wanted && size < LARGEST_CHUNK) size *= 2;
    return size;
  }

  #read(file: OpenFile, slot: Slot): void {
    this.#slots.push(slot);
    this.transfers.heldBytes += slot.length;
    file.read(slot.offset, slot.length, (result) => this.#onRead(slot, result));
  }

  #onRead(slot: Slot, result: ReadResult): void {
    if (slot.dropped) {
      if (result.ok) result.chunk.release();
      return;
    }
    if (!result.ok) {
      // The length is announced already: only an early end tells the client.
      this.res.close();
      return;
    }
    slot.chunk = result.chunk;
    if (this.#slots[0] === slot && !this.#blocked) {
      this.#chunkStarted = performance.now();
      this.res.cork(() => this.#pump());
    }
  }

  #end(complete: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.transfers.remove(this);
    for (const slot of this.#slots) this.#giveBack(slot, slot.chunk);
    this.#slots.length = 0;
    this.file?.release();
    this.sent(this.#written, complete);
  }
}
