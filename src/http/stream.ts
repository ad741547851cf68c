/**
 * A body of unknown length on its way to one client (RFC 9112 §7.1, chunked): pieces are pulled as the client takes them.
 *
 * Unlike `tryEnd`, `write` always takes all it is given: what the socket does not, stays in uWebSockets.js' buffer, and
 * nothing but another write, or an empty cork, sends it on; nor does anything but the next write's answer say whether it
 * has left. So a piece that follows a full socket begins with a probe, which adds little if the buffer is still there: it
 * never holds more than a piece and a few probes. What is left in it at the end, a piece at most, is out of our hands:
 * uWebSockets.js then gives the client 10 s for each part it takes.
 */
import type { HttpResponse } from 'uWebSockets.js';
import type { BodySource, Piece } from './body_source.js';
import { REARM_MS, type Ticking, type Transfers } from './transfer.js';
import type { Sent } from './writer.js';

/** Bytes that are written at once. */
const PIECE = 64 * 1024;

const PROBE = 512;

/**
 * Sends `head` and what `source` gives, which it takes over. `sent` is called once. Returns what to do when the client goes
 * away meanwhile. Must not be called after an abort. `close` tells the client to end the connection after the answer.
 */
export function streamBody(
  res: HttpResponse,
  head: string,
  close: boolean,
  source: BodySource,
  transfers: Transfers,
  sent: Sent,
): () => void {
  // Not as an argument of `end`: that writes the header when it is called, amid the chunks.
  const fullHead = close ? `${head}\r\nConnection: close` : head;
  const stream = new Stream(res, fullHead, source, transfers, sent);
  stream.start();
  return () => stream.abort();
}

/** Whether the socket takes more: 'unknown' after what was in the buffer has been sent on without a piece at hand. */
type Room = 'yes' | 'no' | 'unknown';

class Stream implements Ticking {
  /** Pulled, not written yet. At most one piece. */
  #held: Uint8Array | null = null;
  #headWritten = false;
  #room: Room = 'yes';
  #ended = false;
  #lastProgress = 0;
  #lastWrite = 0;
  #written = 0;

  constructor(
    private readonly res: HttpResponse,
    private readonly head: string,
    private readonly source: BodySource,
    private readonly transfers: Transfers,
    private readonly sent: Sent,
  ) {}

  start(): void {
    this.#lastProgress = this.#lastWrite = performance.now();
    this.transfers.add(this);
    this.res.onWritable(() => this.#onWritable());
    this.#pull();
  }

  /** The client has gone. */
  abort(): void {
    this.#end(false);
  }

  tick(now: number, sendTimeoutMs: number): void {
    if (this.#room === 'yes') return;
    if (this.#room === 'no' && now - this.#lastProgress >= sendTimeoutMs) {
      this.res.close(); // calls the abort handler
      return;
    }
    if (now - this.#lastWrite >= REARM_MS) this.#sendOn();
  }

  #pull(): void {
    this.source.pull((piece) => this.#onPiece(piece));
  }

  #onPiece(piece: Piece): void {
    if (this.#ended) return;
    switch (piece.kind) {
      case 'piece':
        this.#held = piece.bytes;
        if (this.#room !== 'no') this.#write();
        return;
      case 'end':
        this.res.cork(() => {
          this.#writeHead();
          this.res.end('');
        });
        this.#end(true);
        return;
      case 'failed':
        // The status line is out: only an end without the last chunk tells the client.
        this.res.close(); // calls the abort handler
        return;
      default: {
        const impossible: never = piece;
        throw new Error(`unknown piece ${String(impossible)}`);
      }
    }
  }

  #onWritable(): boolean {
    this.#lastProgress = performance.now();
    if (this.#held) {
      this.#write();
    } else {
      this.#sendOn();
      this.#room = 'unknown';
    }
    return this.#room === 'yes';
  }

  /** Writes what is held as far as there is room, then pulls the next piece, so that it is at hand in time. */
  #write(): void {
    while (this.#held) {
      const bytes = this.#held;
      const length = this.#room === 'yes' ? PIECE : PROBE;
      this.#held = bytes.length > length ? bytes.subarray(length) : null;
      this.#writeChunk(bytes.subarray(0, length));
      if (this.#room === 'no') break;
    }
    if (!this.#held) this.#pull();
  }

  #writeChunk(bytes: Uint8Array): void {
    this.#lastWrite = performance.now();
    this.res.cork(() => {
      this.#writeHead();
      this.#room = this.res.write(bytes) ? 'yes' : 'no';
    });
    this.#written += bytes.length;
  }

  #writeHead(): void {
    if (this.#headWritten) return;
    this.#headWritten = true;
    this.res.writeStatus(this.head);
  }

  /** Sends on what is in the buffer, and re-arms uWebSockets.js' 10 s if it does not all go. */
  #sendOn(): void {
    this.#lastWrite = performance.now();
    this.res.cork(() => undefined);
  }

  #end(complete: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#held = null;
    this.transfers.remove(this);
    this.source.cancel();
    this.sent(this.#written, complete);
  }
}
