/** Connections that read large answers as fast as they come: plain sockets, one buffer, nothing kept. */
import { connect, type Socket } from 'node:net';
import type { ReadyRequest } from './plan.js';

/** All readers' one: what was read is looked at before the next one reads, and so it stays in the processor's cache. */
const BUFFER = Buffer.allocUnsafe(256 * 1024);
/** No byte for so long is an error. */
const STALL_MS = 30_000;

interface Head {
  readonly status: number;
  readonly contentLength: number;
  /** Whether the server closes the connection after it. */
  readonly closes: boolean;
  /** Where the body begins. */
  readonly end: number;
}

/** null: not whole yet. */
export function parseHead(bytes: Buffer): Head | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const text = bytes.toString('latin1', 0, end);
  return {
    status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0),
    contentLength: Number(/^content-length:\s*(\d+)/im.exec(text)?.[1] ?? Number.NaN),
    closes: /^connection:\s*close/im.test(text),
    end: end + 4,
  };
}

/** What is wrong with an answer by its head; null: nothing. */
function problemOf({ status, contentLength }: Head, wanted: ReadyRequest): string | null {
  if (status !== wanted.status) return `status ${status}`;
  return contentLength === wanted.size ? null : `announced ${contentLength} bytes`;
}

const requestText = ({ path, headers }: ReadyRequest): string => {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${lines.join('')}\r\n`;
};

/** What came of a reader's work is told to these. */
export interface ReaderEvents {
  /** Bytes have come. */
  bytes(count: number): void;
  /** An answer has come whole; `ms` after it was asked for. @returns the next request */
  answer(ms: number): ReadyRequest;
  /** Something went wrong; the reader has ended. */
  problem(text: string): void;
}

/** Asks for one thing after the other until it is closed or something goes wrong. */
export class Reader {
  #socket: Socket | null = null;
  /** Of a head that is not whole yet. */
  #early: Buffer = Buffer.alloc(0);
  #head: Head | null = null;
  /** Of the answer under way. */
  #came = 0;
  #asked = 0;

  constructor(
    private readonly port: number,
    private request: ReadyRequest,
    private readonly events: ReaderEvents,
  ) {
    this.#connect();
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }

  #connect(): void {
    this.#asked = performance.now();
    const callback = (count: number): boolean => {
      this.#take(count);
      return true;
    };
    const onread = { buffer: BUFFER, callback };
    const socket = connect({ host: '127.0.0.1', port: this.port, onread });
    this.#socket = socket;
    socket.setTimeout(STALL_MS, () => this.#fail(socket, 'stalled'));
    socket.on('error', (error) => this.#fail(socket, error.message));
    socket.on('end', () => this.#fail(socket, 'ended early'));
    socket.on('connect', () => socket.write(requestText(this.request)));
  }

  /** What a connection says that was given up doesn't count. */
  #fail(socket: Socket, text: string): void {
    if (socket !== this.#socket) return;
    this.close();
    this.events.problem(text);
  }

  #take(count: number): void {
    const socket = this.#socket;
    if (socket === null) return;
    this.#came += count;
    this.events.bytes(count);
    if (this.#head === null) {
      const came = BUFFER.subarray(0, count);
      const bytes = this.#early.length === 0 ? came : Buffer.concat([this.#early, came]);
      this.#head = parseHead(bytes);
      if (this.#head === null) {
        this.#early = Buffer.from(bytes);
        return;
      }
      const problem = problemOf(this.#head, this.request);
      if (problem !== null) {
        this.#fail(socket, problem);
        return;
      }
    }
    const whole = this.#head.end + this.request.size;
    if (this.#came > whole) this.#fail(socket, 'too many bytes');
    else if (this.#came === whole) this.#next(socket, this.#head.closes);
  }

  #next(socket: Socket, closes: boolean): void {
    const now = performance.now();
    this.request = this.events.answer(now - this.#asked);
    this.#early = Buffer.alloc(0);
    this.#head = null;
    this.#came = 0;
    if (closes) {
      this.close();
      this.#connect();
    } else {
      this.#asked = now;
      socket.write(requestText(this.request));
    }
  }
}
