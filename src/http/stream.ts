/**
 * A body of unknown length on its way to one client (RFC 9112 §7.1, chunked): pieces are pulled as the client takes them.
 *
 * Unlike `tryEnd`, `write` always takes all it is given: what the socket does not, stays in uWebSockets.js' buffer. Nothing
 * but another write or cork sends that on, nothing but the answer to the next write says whether it has left, and nothing
 * but a write that does not fit, or the socket's becoming writable, ends the 10 s that it gives the client after one that
 * did not. So what is for a socket that was full begins with a probe, also each REARM_MS: the buffer never holds more than
 * two pieces, as a cork tells of the first only with the second, and a few probes. Two things are out of our hands: what is left in the buffer at the end, a piece at most; and
 * a client that was full just before the source came to a stand, which uWebSockets.js closes after 10 s.
 */
import type { HttpResponse } from 'uWebSockets.js';
import type { BodySource, Piece } from './body_source.js';
import { type Outcome, REARM_MS, type Ticking, type Transfers } from './transfer.js';
import type { Sending } from './writer.js';

/**
 * Bytes that are written at once: with a chunk's frame they fit into the 16 KiB in which uWebSockets.js gathers what is
 * written in a cork. Of a write that does not, it loses all bytes, and only them, when the socket is too full for what had
 * been gathered before: the frame stays, and the client takes what follows for the chunk.
 */
const PIECE = 15 * 1024;

const PROBE = 512;

/**
 * Sends `head` and what `source` gives, which it takes over. The outcome is told once. Returns what to do when the client goes
 * away meanwhile. Must not be called after an abort. `close` tells the client to end the connection after the answer.
 */
export function streamBody(
  res: HttpResponse,
  head: string,
  source: BodySource,
  { close, transfers, outcome }: Sending,
): () => void {
  // Not as an argument of `end`: that writes the header when it is called, amid the chunks.
  const fullHead = close ? `${head}\r\nConnection: close` : head;
  const stream = new Stream(res, fullHead, source, transfers, outcome);
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
    private readonly outcome: Outcome,
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
    if (now - this.#lastWrite >= REARM_MS) this.#goOn();
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
        if (this.#headWritten) {
          // The status line is out: only an end without the last chunk tells the client.
          this.res.close(); // calls the abort handler
        } else {
          this.#release();
          this.outcome.failed(piece.error);
        }
        return;
      default: {
        const impossible: never = piece;
        throw new Error(`unknown piece ${String(impossible)}`);
      }
    }
  }

  #onWritable(): boolean {
    this.#lastProgress = performance.now();
    this.#goOn();
    return this.#room === 'yes';
  }

  /** Sends on what is in the buffer, and re-arms uWebSockets.js' 10 s where it does not all go. */
  #goOn(): void {
    if (this.#held) {
      this.#write();
      return;
    }
    this.#lastWrite = performance.now();
    this.res.cork(() => undefined);
    this.#room = 'unknown';
  }

  /** Writes what is held as far as there is room, then pulls the next piece, so that it is at hand in time. */
  #write(): void {
    while (this.#held) {
      const bytes = this.#held;
      const length = this.#room === 'yes' ? this.#pieceLength() : PROBE;
      this.#held = bytes.length > length ? bytes.subarray(length) : null;
      this.#writeChunk(bytes.subarray(0, length));
      if (this.#room === 'no') break;
    }
    if (!this.#held) this.#pull();
  }

  /** The first piece shares the cork's space with the head. */
  #pieceLength(): number {
    return this.#headWritten ? PIECE : Math.max(PIECE - this.head.length, PROBE);
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
    this.outcome.began();
    this.res.writeStatus(this.head);
  }

  #end(complete: boolean): void {
    if (this.#ended) return;
    this.#release();
    this.outcome.sent(this.#written, complete);
  }

  #release(): void {
    this.#ended = true;
    this.#held = null;
    this.transfers.remove(this);
    this.source.cancel();
  }
}
