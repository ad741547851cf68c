/** A server of a few files in memory by the ways that need not ask the volume, on a real uWebSockets.js; and its clients. */
import {
  App,
  type HttpRequest,
  type HttpResponse,
  us_listen_socket_close,
  us_socket_local_port,
} from 'uWebSockets.js';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LogConfig } from '../../src/config/types.js';
import { Clients } from '../../src/http/clients.js';
import type { Site } from '../../src/http/exchange.js';
import { askFields } from '../../src/http/fields.js';
import { HotAnswers } from '../../src/http/hot.js';
import { answerHot } from '../../src/http/hot_answer.js';
import { QuickAnswers, type QuickMaker } from '../../src/http/quick.js';
import { Transfers } from '../../src/http/transfer.js';
import { createTrust } from '../../src/http/trust.js';
import { loadHttpNative } from '../../src/http_native.js';
import { createAccessLog } from '../../src/observe/access_log.js';
import { createLogger } from '../../src/observe/log.js';
import type { Kept } from '../../src/storage/storage.js';
import { request, stat, TAG } from './hot_file.js';
import { testMount } from './test_mount.js';

const native = loadHttpNative();

function load(): QuickMaker {
  const { quick } = native;
  if (!quick) throw new Error('the module was compiled for another Node.js');
  return quick;
}

export const maker = load();

export const HEAD = `200 OK\r\nETag: ${TAG}\r\nContent-Type: text/plain`;
export const BODIES: Readonly<Record<string, Buffer>> = {
  '/a': Buffer.from('hello'),
  '/empty': Buffer.alloc(0),
  '/medium': Buffer.alloc(20_000, 'medium '),
  '/large': Buffer.alloc(120_000, 'large '),
  '/too-large': Buffer.alloc(200_000, 'too large '),
};

export interface Options {
  readonly quick?: boolean;
  readonly host?: boolean;
  readonly acceptEncoding?: boolean;
  /** The file of its access log. */
  readonly log?: string;
  readonly format?: LogConfig['format'];
  readonly trustedProxies?: readonly string[];
}

const undo: (() => void)[] = [];
/** Ends all that was begun. */
export function endAll(): void {
  for (const each of undo.splice(0).reverse()) each();
}

/** A server of the files above, as far as the short way goes; anything else gets a 404 from JavaScript. */
export function serve({
  quick: isQuick = true,
  host = false,
  acceptEncoding = false,
  log: path,
  format = 'combined',
  trustedProxies = [],
}: Options = {}) {
  const epoch = new Float64Array([1]);
  const state = { ttlMs: 60_000, handled: 0, used: 0, requests: 0 };
  const mount = testMount({ name: 'own' });
  const wanted = { host, acceptEncoding, log: path !== undefined };
  const warnings: string[] = [];
  const accessLog = createAccessLog(
    {
      access: path === undefined ? { kind: 'off' } : { kind: 'file', path },
      format,
      level: 'info',
    },
    createLogger({ level: 'info', style: 'text', write: (line) => warnings.push(line) }),
    native.lines,
  );
  const { native: lines } = accessLog;
  const trusts = trustedProxies.length > 0;
  const hot = new HotAnswers(wanted);
  const quick = new QuickAnswers({
    ...{ maker, epoch, host, acceptEncoding, trusts },
    log: typeof lines === 'number' ? lines : null,
    enabled: isQuick && lines !== null,
    onRequests: (count) => {
      state.requests += count;
    },
  });
  for (const [url, bytes] of Object.entries(BODIES)) {
    const kept: Kept = {
      ...{ stat, bytes, alive: true, take: () => true, ttlMs: () => state.ttlMs },
      used: (count) => {
        state.used += count;
      },
      lend: () => ({ bytes, release: () => undefined }),
    };
    const encodings = acceptEncoding ? ['', 'br'] : [''];
    for (const encoding of encodings) {
      const representation = { mount, name: '/a.txt', encoding: null, compressed: false };
      hot.keep(request(url, host ? 'h' : '', encoding), kept, representation, HEAD);
    }
  }
  const clients = new Clients(native.socketOf, trusts ? createTrust(trustedProxies) : null, quick);
  const site = {
    draining: false,
    counters: { total: 0, active: 0 },
    accessLog: path === undefined ? null : accessLog,
    ...{ cacheStatus: trusts ? 'trusted' : null, transfers: new Transfers(10_000), quick, clients },
  } as unknown as Site;
  const handle = (res: HttpResponse, req: HttpRequest): void => {
    state.handled += 1;
    if (req.getMethod() === 'get' && answerHot(site, hot, res, req, askFields(req))) return;
    res.writeStatus('404 Not Found');
    res.end('long way');
  };
  let port = 0;
  const seeConnection = (res: HttpResponse, change: number): void => {
    if (change < 0) {
      clients.closed(res);
      return;
    }
    clients.opened(res);
    quick.attach(res);
  };
  App()
    .filter(seeConnection)
    .any('/*', handle)
    .listen('127.0.0.1', 0, (socket) => {
      if (!socket) throw new Error('cannot listen');
      port = us_socket_local_port(socket);
      undo.push(() => us_listen_socket_close(socket));
    });
  undo.push(() => quick.stop());
  return { port, epoch, state, quick, mount, accessLog, warnings };
}

export class Client {
  #bytes: Buffer = Buffer.alloc(0);
  readonly #chunks: Buffer[] = [];
  isClosed = false;

  private constructor(readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on('data', (data) => this.#chunks.push(data));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isClosed = true;
    });
  }

  /** `from`: an address of this machine. */
  static async open(port: number, from = '127.0.0.1'): Promise<Client> {
    const socket = connect({ port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    undo.push(() => socket.destroy());
    return new Client(socket);
  }

  /** The next answer, with a fixed date; 'closed' where the connection ends before. */
  async answer(isHead = false): Promise<string> {
    for (const start = performance.now(); performance.now() - start < 10_000; await sleep(1)) {
      this.#bytes = Buffer.concat([this.#bytes, ...this.#chunks.splice(0)]);
      const end = this.#bytes.indexOf('\r\n\r\n');
      if (end < 0) {
        if (this.isClosed) return 'closed';
        continue;
      }
      const head = this.#bytes.subarray(0, end + 4).toString('latin1');
      const length = isHead ? 0 : Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
      if (this.#bytes.length < end + 4 + length) {
        if (this.isClosed) return 'closed';
        continue;
      }
      const body = this.#bytes.subarray(end + 4, end + 4 + length).toString('latin1');
      this.#bytes = this.#bytes.subarray(end + 4 + length);
      return head.replace(/^Date: .*$/m, 'Date: then') + body;
    }
    throw new Error('no answer within 10 s');
  }

  /** In pieces of so many bytes. */
  async ask(text: string, piece = text.length): Promise<string> {
    const bytes = Buffer.from(text, 'latin1');
    for (let at = 0; at < bytes.length; at += piece) {
      this.socket.write(bytes.subarray(at, at + piece));
      if (piece < bytes.length) await sleep(1);
    }
    return await this.answer(text.startsWith('HEAD'));
  }
}

export const get = (url: string, fields = ''): string =>
  `GET ${url} HTTP/1.1\r\nHost: h\r\n${fields}\r\n`;

/** So that copies have been made of both of its answers. */
export async function warm(client: Client, url: string): Promise<void> {
  const fields = `If-None-Match: ${TAG}\r\n`;
  for (const each of [fields, '', '', fields]) await client.ask(get(url, each));
}
