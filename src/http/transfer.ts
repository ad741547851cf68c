/**
 * One body on its way to one client: chunks are read ahead while the client takes them, and not faster.
 *
 * Memory: a client that takes 1 MB/s or more has up to 3 chunks of at most 256 KiB, or 128 KiB where others do as well; a slower
 * one has one of 64 KiB. Once all of a worker's transfers together hold CHUNK_BUDGET, each further chunk is of 64 KiB, and
 * nothing is read ahead.
 */
import type { HttpResponse } from 'uWebSockets.js';
import { type Chunk, type ReadResult, type StorageError, withRoom } from '../storage/storage.js';
import type { FileBody, Piece } from './body.js';

const SMALLEST_CHUNK = 64 * 1024;
/**
 * libgfapi has eight buffers of 256 KiB at hand, and takes two for each read: beyond those it maps memory anew, whose pages are
 * zeroed one by one. 16 reads of 256 KiB at a time took twice the processor time of as many of 128 KiB, for which it takes memory
 * from the heap. So no more than MOST_LARGEST of the largest are read at a time. Of 1 MiB it has two buffers.
 */
const LARGEST_CHUNK = 256 * 1024;
const MOST_LARGEST = 4;
const LARGE_CHUNK = 128 * 1024;
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
export const REARM_MS = 4_000;
const TICK_MS = 1_000;
/** A client that takes nothing for this long loses what was read ahead for it. */
const STALLED_MS = 1_000;

/** Something that sends, and must look after its client now and then. */
export interface Ticking {
  /** Called about once a second. */
  tick(now: number, sendTimeoutMs: number): void;
}

/** What a worker's transfers share. */
export class Transfers {
  readonly #active = new Set<Ticking>();
  #timer: NodeJS.Timeout | null = null;
  /** Bytes in chunks that are held or being read. */
  heldBytes = 0;
  /** How many chunks of more than LARGE_CHUNK are being read. */
  #largestReads = 0;

  /** `sendTimeoutMs`: a client that takes nothing for so long is cut off. */
  constructor(private readonly sendTimeoutMs: number) {}

  add(transfer: Ticking): void {
    this.#active.add(transfer);
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  remove(transfer: Ticking): void {
    this.#active.delete(transfer);
  }

  /** In bytes, of a chunk whose read would begin now. */
  get largestChunk(): number {
    return this.#largestReads < MOST_LARGEST ? LARGEST_CHUNK : LARGE_CHUNK;
  }

  beginRead(bytes: number): void {
    if (bytes > LARGE_CHUNK) this.#largestReads += 1;
  }

  endRead(bytes: number): void {
    if (bytes > LARGE_CHUNK) this.#largestReads -= 1;
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

/** How a transfer goes: one of `sent` and `failed` is called, once. */
export interface Outcome {
  /** The first bytes are about to go out. Called once, and not where nothing is sent. */
  began(): void;
  /** `complete`: every announced byte went to the kernel or into uWebSockets.js' buffer. */
  sent(bodyBytes: number, complete: boolean): void;
  /** Nothing was written, nor can be by this transfer: another answer may be given. */
  failed(error: StorageError): void;
}

/** Bytes of the body that are planned to be sent, in its order. */
interface Slot {
  /** Where in the body they begin. */
  readonly position: number;
  readonly length: number;
  /** null until they have been read. */
  bytes: Uint8Array | null;
  /** What is to be released after them, if anything. */
  chunk: Chunk | null;
  /** Whether they count in heldBytes: what is not ours to hold does not. */
  readonly held: boolean;
  /** Nobody wants it any more: what is read is given back. */
  dropped: boolean;
  /** What comes after them. */
  readonly next: Place;
}

/** How far the body is planned. */
interface Place {
  readonly piece: number;
  /** Bytes of that piece. */
  readonly offset: number;
}

export class Transfer implements Ticking {
  /** In order of position; the first is the one that is being sent. */
  readonly #slots: Slot[] = [];
  #place: Place = { piece: 0, offset: 0 };
  /** Body bytes in the slots so far: where the next one begins. */
  #planned = 0;
  /** Bytes of the first slot that the socket has taken. */
  #taken = 0;
  /** What came with the file, until it is not needed any more. */
  #preread: Chunk | null;
  /** The socket's buffer is full; onWritable will say when it is not. */
  #blocked = false;
  #ended = false;
  #rate = 0;
  #chunkStarted = 0;
  #lastProgress = 0;
  #lastWrite = 0;
  #written = 0;

  #headWritten = false;
  #waitedMs = 0;

  /** Takes over the body's chunk and file. `head` goes out with the first bytes, so that until then all can still fail. */
  constructor(
    private readonly res: HttpResponse,
    private readonly head: string,
    private readonly body: FileBody,
    private readonly transfers: Transfers,
    private readonly outcome: Outcome,
  ) {
    this.#preread = body.chunk;
    transfers.heldBytes += this.#prereadBytes();
  }

  /** Must be called inside a cork. `waitedMs`: how long the client has been waiting, which the first read has less. */
  start(waitedMs: number): void {
    this.#lastProgress = this.#lastWrite = this.#chunkStarted = performance.now();
    this.#waitedMs = waitedMs;
    this.#pump();
    this.#waitedMs = 0;
    if (!this.#ended) this.#goOn();
  }

  /** In place of `start`, for a body of one piece that is there, of which `written` bytes went out before the socket was full. */
  resume(written: number): void {
    this.#lastProgress = this.#lastWrite = this.#chunkStarted = performance.now();
    this.#headWritten = true;
    this.#plan();
    this.#taken = this.#written = written;
    this.#blocked = true;
    this.#goOn();
  }

  #goOn(): void {
    this.transfers.add(this);
    this.res.onWritable((offset) => this.#onWritable(offset));
  }

  /** The client has gone. */
  abort(): void {
    this.#end(false);
  }

  /** While the transfer lasts. */
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
      const slot = this.#slots[0] ?? this.#plan();
      if (!slot?.bytes) break;
      if (this.#taken < slot.length && !this.#write(slot, slot.bytes)) break;
      if (this.#taken === slot.length) this.#finishSlot(slot);
    }
    if (!this.#ended) this.#readAhead();
  }

  /** false: stop writing, because the socket is full or all is sent. */
  #write(slot: Slot, bytes: Uint8Array): boolean {
    // Never with nothing to send: uWebSockets.js takes an empty chunk for the end of the answer.
    const rest = this.#taken === 0 ? bytes : bytes.subarray(this.#taken);
    this.#lastWrite = performance.now();
    if (!this.#headWritten) {
      this.#headWritten = true;
      this.outcome.began();
      this.res.writeStatus(this.head);
    }
    const [ok, done] = this.res.tryEnd(rest, this.body.length);
    if (done) {
      this.#progress(this.body.length);
      this.#end(true);
      return false;
    }
    if (ok) {
      this.#taken = slot.length;
      this.#progress(slot.position + slot.length);
      return true;
    }
    const offset = this.res.getWriteOffset();
    if (offset !== this.#written) this.#progress(offset);
    this.#taken = offset - slot.position;
    this.#blocked = true;
    return false;
  }

  #finishSlot(slot: Slot): void {
    const now = performance.now();
    const seconds = Math.max(now - this.#chunkStarted, 0.01) / 1000;
    // The last few chunks count, so that a burst into an empty socket buffer does not make a slow client look fast.
    const rate = slot.length / seconds;
    this.#rate = this.#rate === 0 ? rate : this.#rate * 0.7 + Math.min(rate, this.#rate * 4) * 0.3;
    this.#chunkStarted = now;
    this.#slots.shift();
    this.#taken = 0;
    this.#giveBack(slot);
    // With several pieces, a later one may lie in it.
    if (this.body.pieces.length === 1) this.#releasePreread();
  }

  #giveBack(slot: Slot): void {
    if (slot.dropped) return;
    slot.dropped = true;
    if (slot.held) this.transfers.heldBytes -= slot.length;
    slot.chunk?.release();
  }

  #releasePreread(): void {
    if (!this.#preread) return;
    this.transfers.heldBytes -= this.#prereadBytes();
    this.#preread.release();
    this.#preread = null;
  }

  /** As far as holding it costs anything. */
  #prereadBytes(): number {
    return this.#preread && !this.#preread.shared ? this.#preread.bytes.length : 0;
  }

  #dropReadAhead(): void {
    const [current, ...ahead] = this.#slots;
    if (!current || ahead.length === 0) return;
    for (const slot of ahead) this.#giveBack(slot);
    this.#slots.length = 1;
    this.#place = current.next;
    this.#planned = current.position + current.length;
    this.#rate = 0;
  }

  #readAhead(): void {
    const fast = this.#rate >= READ_AHEAD_RATE;
    while (fast && this.#slots.length <= READ_AHEAD_CHUNKS) {
      if (this.transfers.heldBytes + this.#chunkSize() > CHUNK_BUDGET) return;
      if (!this.#plan()) return;
    }
  }

  /** Adds the next slot, and starts its read where it needs one. undefined: all of the body is planned. */
  #plan(): Slot | undefined {
    const { piece: index, offset } = this.#place;
    const piece = this.body.pieces[index];
    if (!piece) return undefined;
    const ready = this.#ready(piece, offset);
    const whole = piece.kind === 'bytes' ? piece.bytes.length : piece.length;
    const length = ready?.length ?? this.#fit(piece, offset, whole - offset);
    const end = offset + length;
    const slot: Slot = {
      position: this.#planned,
      length,
      bytes: ready,
      chunk: null,
      held: ready === null,
      dropped: false,
      next: end === whole ? { piece: index + 1, offset: 0 } : { piece: index, offset: end },
    };
    this.#planned += length;
    this.#place = slot.next;
    this.#slots.push(slot);
    if (piece.kind === 'file' && ready === null) this.#read(piece.offset + offset, slot);
    return slot;
  }

  /** What of a piece, from `offset` on, is there already. */
  #ready(piece: Piece, offset: number): Uint8Array | null {
    if (piece.kind === 'bytes') return piece.bytes;
    if (!this.#preread) return null;
    const at = piece.offset + offset - this.body.chunkOffset;
    const { bytes } = this.#preread;
    return at >= 0 && at < bytes.length ? bytes.subarray(at, at + piece.length - offset) : null;
  }

  /** How much to read next of a piece, of which so much is left. */
  #fit(piece: Piece, offset: number, left: number): number {
    const length = Math.min(this.#chunkSize(), left);
    const { file } = this.body;
    if (piece.kind !== 'file') return length;
    return file?.fit ? file.fit(piece.offset + offset, length) : withRoom(length);
  }

  /** In bytes, a power of two, as the blocks are. */
  #chunkSize(): number {
    if (this.transfers.heldBytes >= CHUNK_BUDGET) return SMALLEST_CHUNK;
    const wanted = this.#rate * CHUNK_SECONDS;
    const { largestChunk } = this.transfers;
    let size = SMALLEST_CHUNK;
    while (size < wanted && size < largestChunk) size *= 2;
    return size;
  }

  #read(offset: number, slot: Slot): void {
    const { file } = this.body;
    if (!file) throw new Error('a body without a file has all of its bytes');
    this.transfers.heldBytes += slot.length;
    this.transfers.beginRead(slot.length);
    file.read(offset, slot.length, (result) => this.#onRead(slot, result), this.#waitedMs);
  }

  #onRead(slot: Slot, result: ReadResult): void {
    this.transfers.endRead(slot.length);
    if (slot.dropped) {
      if (result.ok) result.chunk.release();
      return;
    }
    if (!result.ok) {
      if (this.#headWritten) {
        // The length is announced already: only an early end tells the client.
        this.res.close();
      } else {
        this.#release();
        this.outcome.failed(result);
      }
      return;
    }
    slot.chunk = result.chunk;
    slot.bytes = result.chunk.bytes;
    if (this.#slots[0] === slot && !this.#blocked) {
      this.#chunkStarted = performance.now();
      this.res.cork(() => this.#pump());
    }
  }

  #end(complete: boolean): void {
    if (this.#ended) return;
    this.#release();
    this.outcome.sent(this.#written, complete);
  }

  #release(): void {
    this.#ended = true;
    this.transfers.remove(this);
    for (const slot of this.#slots) this.#giveBack(slot);
    this.#slots.length = 0;
    this.#releasePreread();
    this.body.file?.release();
  }
}
