/** HTTP clients for tests: whole answers, hashes, and readers that are slow or go away. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** Names and values by turns, as they came. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  /** Every announced byte came. */
  readonly complete: boolean;
}

export interface GetOptions {
  readonly method?: string;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly agent?: http.Agent;
  /** Takes the body instead of keeping it. */
  readonly sink?: (data: Buffer) => void;
  /** No answer within this time is an error. */
  readonly timeoutMs?: number;
}

/** Sends `path` exactly as given. Rejects when there is no answer at all. */
export function get(port: number, path: string, options: GetOptions = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, agent, sink, timeoutMs = 60_000 } = options;
  return new Promise((resolve, reject) => {
    const request = http.request(
      { host: '127.0.0.1', port, path, method, headers, agent: agent ?? false, timeout: timeoutMs },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', sink ?? ((data: Buffer) => chunks.push(data)));
        const finish = (complete: boolean): void =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            rawHeaders: response.rawHeaders,
            body: Buffer.concat(chunks),
            complete,
          });
        response.on('end', () => finish(response.complete));
        response.on('error', () => finish(false));
      },
    );
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    request.on('error', reject);
    request.end();
  });
}

export const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

/** The sha256 of a body, and its length, without keeping it. */
export async function getHash(
  port: number,
  path: string,
): Promise<{ status: number; bytes: number; sha256: string; complete: boolean }> {
  const hash = createHash('sha256');
  let bytes = 0;
  const { status, complete } = await get(port, path, {
    sink: (data) => {
      bytes += data.length;
      hash.update(data);
    },
  });
  return { status, bytes, sha256: hash.digest('hex'), complete };
}

const HEAD_END = '\r\n\r\n';

/**
 * Takes a body several times as fast as `get`. `sink` must not keep what it is given: it is the same memory each time. Gives
 * the head, and how many bytes came behind it before the server ended the connection.
 */
export function download(
  port: number,
  path: string,
  sink: (data: Buffer) => void,
): Promise<{ head: string; bytes: number }> {
  let gathered = '';
  let head: string | null = null;
  let bytes = 0;
  const take = (data: Buffer): void => {
    if (head !== null) {
      bytes += data.length;
      sink(data);
      return;
    }
    gathered += data.toString('latin1');
    const end = gathered.indexOf(HEAD_END);
    if (end === -1) return;
    head = gathered.slice(0, end);
    take(Buffer.from(gathered.slice(end + HEAD_END.length), 'latin1'));
  };
  return new Promise((resolve, reject) => {
    const memory = Buffer.alloc(1 << 20);
    const callback = (count: number): boolean => {
      take(memory.subarray(0, count));
      return true;
    };
    const socket = net.connect({ host: '127.0.0.1', port, onread: { buffer: memory, callback } });
    socket.on('error', reject);
    socket.on('close', () => resolve({ head: head ?? gathered, bytes }));
    socket.write(`GET ${path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n`);
  });
}

export async function fileHash(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const data of createReadStream(path, { highWaterMark: 1 << 20 }))
    hash.update(data as Buffer);
  return hash.digest('hex');
}

/** Sends bytes as they are, and gives all that comes until the other side ends the connection, a char a byte. */
export function raw(port: number, data: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = net.connect(port, '127.0.0.1', () => socket.write(data));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
  });
}

/** Sends a request, and breaks the connection `ms` after that, whatever has come until then. */
export function leaveAfter(port: number, path: string, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
      setTimeout(() => socket.destroy(), ms);
    });
    socket.on('data', () => undefined);
    socket.on('error', reject);
    socket.on('close', () => resolve());
  });
}

/** Reads at least `bytes` of the body, then breaks the connection. Resolves when it is broken. */
export function abortAfter(port: number, path: string, bytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let got = 0;
      response.on('data', (data: Buffer) => {
        got += data.length;
        if (got >= bytes) response.destroy();
      });
      response.on('error', () => undefined);
      response.on('close', () => resolve(got));
    });
    request.on('error', reject);
  });
}

/** A client that takes `bytesPerSecond`, until `stop` resolves. */
export class SlowReader {
  #got = 0;
  #stopped = false;
  readonly #request: http.ClientRequest;

  constructor(port: number, path: string, bytesPerSecond: number) {
    this.#request = http.get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      response.pause();
      response.on('error', () => undefined);
      void this.#drip(response, bytesPerSecond);
    });
    this.#request.on('error', () => undefined);
  }

  get bytes(): number {
    return this.#got;
  }

  stop(): void {
    this.#stopped = true;
    this.#request.destroy();
  }

  async #drip(response: http.IncomingMessage, bytesPerSecond: number): Promise<void> {
    while (!this.#stopped && !response.destroyed) {
      const data: unknown = response.read(Math.min(bytesPerSecond, response.readableLength || 1));
      if (Buffer.isBuffer(data)) this.#got += data.length;
      await sleep(1000);
    }
  }
}
