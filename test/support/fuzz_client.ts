/** Carries out one connection of the fuzzer. */
import net from 'node:net';
import type { FuzzConnection } from './fuzz_requests.js';
import { parseAnswers } from './raw_answers.js';

export interface FuzzResult {
  readonly received: Buffer;
  /** 'served': each request was answered. 'quiet': some were not, for now. */
  readonly end: 'served' | 'closed' | 'aborted' | 'quiet';
  /** Where the end is 'quiet': resolves to whether the server has closed it in time. To be called or to be closed. */
  readonly linger: (timeoutMs: number) => Promise<boolean>;
  readonly close: () => void;
}

/** As long as an answer may take that has to come: far more than it should. */
const PATIENCE_MS = 20_000;
/** Nothing has come for this long, on a connection that may get nothing. */
const QUIET_MS = 80;

/** `mustAnswer`: every request of it has to be, so it is waited for. */
export function runConnection(
  port: number,
  connection: FuzzConnection,
  mustAnswer: boolean,
): Promise<FuzzResult> {
  return new Promise((resolve) => {
    new Client(port, connection, mustAnswer ? PATIENCE_MS : QUIET_MS, resolve);
  });
}

class Client {
  readonly #socket: net.Socket;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #next = 0;
  #done = false;
  #closed = false;
  #onClosed: () => void = () => undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(
    port: number,
    private readonly connection: FuzzConnection,
    quietMs: number,
    private readonly resolve: (result: FuzzResult) => void,
  ) {
    this.#socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    this.#timer = setTimeout(() => this.#finish('quiet'), quietMs);
    this.#socket.on('connect', () => this.#send());
    this.#socket.on('data', (data) => this.#onData(data));
    this.#socket.on('error', () => undefined); // 'close' follows
    this.#socket.on('close', () => {
      this.#closed = true;
      this.#onClosed();
      this.#finish('closed');
    });
  }

  #onData(data: Buffer): void {
    this.#chunks.push(data);
    this.#bytes += data.length;
    if (this.#done) return;
    this.#timer.refresh();
    const { abort, waits, requests } = this.connection;
    if (abort && this.#bytes >= abort.atBytes) {
      this.#abort(abort.reset);
      return;
    }
    const { answers } = parseAnswers(Buffer.concat(this.#chunks), this.#methods(), false);
    const count = answers.filter(({ status, complete }) => complete && status !== 100).length;
    if (count >= requests.length) this.#finish('served');
    else if (waits && count >= this.#next) this.#send();
  }

  #methods(): string[] | null {
    const { requests } = this.connection;
    const all = requests.map(({ expected }) => expected?.method);
    return all.every((method) => method !== undefined) ? all : null;
  }

  #send(): void {
    const { requests, waits, segments, abort } = this.connection;
    const now = waits ? requests.slice(this.#next, this.#next + 1) : requests;
    this.#next += now.length;
    const data = Buffer.concat(now.map(({ bytes }) => bytes));
    if (segments.length === 0) {
      this.#socket.write(data);
    } else {
      void this.#sendSegments(data, segments);
    }
    if (abort?.atBytes === 0) setImmediate(() => this.#abort(abort.reset));
  }

  async #sendSegments(data: Buffer, lengths: readonly number[]): Promise<void> {
    let at = 0;
    // A few of them, then the rest: longer requests would take as many turns as they have segments.
    for (let i = 0; i < 12 && at < data.length && !this.#done; i++) {
      const end = i === 11 ? data.length : at + (lengths[i % lengths.length] ?? 1);
      this.#socket.write(data.subarray(at, end));
      at = end;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #abort(reset: boolean): void {
    if (this.#done) return;
    if (reset) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
    this.#finish('aborted');
  }

  #finish(end: FuzzResult['end']): void {
    if (this.#done) return;
    this.#done = true;
    clearTimeout(this.#timer);
    if (end === 'served') this.#socket.destroy();
    this.resolve({
      received: Buffer.concat(this.#chunks),
      end,
      linger: (timeoutMs) => this.#linger(timeoutMs),
      close: () => this.#socket.destroy(),
    });
  }

  #linger(timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.#closed) {
        resolve(true);
        return;
      }
      const timer = setTimeout(() => {
        this.#socket.destroy();
        resolve(false);
      }, timeoutMs);
      this.#onClosed = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }
}
