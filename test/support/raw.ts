/** TCP connections that send bytes as they are. */
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export class RawConnection {
  readonly #socket: net.Socket;
  readonly #chunks: Buffer[] = [];
  #joined: Buffer | null = null;
  #wake: () => void = () => undefined;
  readonly #opened = performance.now();
  /** Set when the server has ended the connection, in whatever way. */
  #closedAfterMs: number | null = null;
  #wasReset = false;

  constructor(port: number) {
    // Half open: whatever the server still sends after our FIN is to be seen.
    this.#socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (data: Buffer) => {
      this.#chunks.push(data);
      this.#joined = null;
      this.#wake();
    });
    const closed = (): void => {
      this.#closedAfterMs ??= performance.now() - this.#opened;
      this.#socket.destroy();
      this.#wake();
    };
    this.#socket.on('end', closed);
    this.#socket.on('close', closed);
    this.#socket.on('error', () => {
      this.#wasReset = true;
      closed();
    });
  }

  /** All that came so far. */
  get received(): Buffer {
    this.#joined ??= Buffer.concat(this.#chunks);
    return this.#joined;
  }

  /** How long after the connection was opened the server has ended it; null: it has not. */
  get closedAfterMs(): number | null {
    return this.#closedAfterMs;
  }

  /**
   * The server closed without having read all that was sent (RFC 9112 §9.6). What it answered may be lost then: who writes
   * into such a connection learns of the reset first.
   */
  get wasReset(): boolean {
    return this.#wasReset;
  }

  /** Each piece is a segment of its own, as far as a client can see to that. */
  async send(pieces: readonly Buffer[], pauseMs = 0): Promise<void> {
    for (const [index, piece] of pieces.entries()) {
      if (index > 0) await sleep(pauseMs);
      if (this.#closedAfterMs !== null) return;
      await new Promise<void>((resolve) => {
        this.#socket.write(piece, () => resolve());
      });
    }
  }

  /** Sends, and at once shuts down its side. */
  sendAndShutDown(data: Buffer): void {
    this.#socket.end(data);
  }

  /** Takes nothing more until `resume`. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Until `holds`, which is asked whenever something came or the connection ended. False: not within `timeoutMs`. */
  async until(holds: () => boolean, timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (!holds()) {
      const left = deadline - performance.now();
      if (left <= 0) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
        if (holds()) this.#wake();
      });
    }
    return true;
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Runs `work` for each item, at most `limit` at a time. */
export async function inParallel<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const runner = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: limit }, runner));
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
