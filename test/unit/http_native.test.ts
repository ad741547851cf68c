/** What the addon reads of uWebSockets.js' own objects is what uWebSockets.js says, asked field by field. */

import {
  App,
  type HttpRequest,
  type HttpResponse,
  us_listen_socket_close,
  us_socket_local_port,
} from 'uWebSockets.js';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { LogConfig } from '../../src/config/types.js';
import { askFields, Has } from '../../src/http/fields.js';
import { targetOf } from '../../src/http/request.js';
import { loadHttpNative } from '../../src/http_native.js';
import { accessLine } from '../../src/observe/access_line.js';
import { type AccessEntry, createAccessLog } from '../../src/observe/access_log.js';
import { createLogger } from '../../src/observe/log.js';

type Handler = (req: HttpRequest, res: HttpResponse) => void;
type Fields = readonly (readonly [string, string])[];

const native = loadHttpNative();
const folder = mkdtempSync(join(tmpdir(), 'gfserve-test-'));
let handler: Handler = () => undefined;
let port = 0;
let close = (): void => undefined;

beforeAll(() => {
  App()
    .any('/*', (res, req) => {
      let thrown: unknown = null;
      try {
        handler(req, res);
      } catch (error) {
        thrown = error;
      }
      res.writeStatus(thrown === null ? '200 OK' : '500 Internal Server Error');
      res.end(thrown === null ? '' : String(thrown));
    })
    .listen('127.0.0.1', 0, (socket) => {
      if (!socket) throw new Error('cannot listen');
      port = us_socket_local_port(socket);
      close = () => us_listen_socket_close(socket);
    });
});

afterAll(() => {
  close();
  rmSync(folder, { recursive: true });
});

/** Sends it in pieces of so many bytes; rejects with what the handler threw. */
async function send(head: string, handle: Handler, piece = head.length): Promise<void> {
  handler = handle;
  const bytes = Buffer.from(head, 'latin1');
  const answer = await new Promise<string>((resolve, reject) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => {
      for (let at = 0; at < bytes.length; at += piece) socket.write(bytes.subarray(at, at + piece));
    });
    socket.setNoDelay(true);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`closed after ${JSON.stringify(text)}`)));
    socket.on('data', (data) => {
      text += data.toString('latin1');
      if (!text.includes('\r\n\r\n')) return;
      socket.removeAllListeners('close');
      socket.destroy();
      resolve(text);
    });
  });
  if (!answer.startsWith('HTTP/1.1 200')) throw new Error(answer);
}

const headOf = (target: string, fields: Fields): string =>
  `GET ${target} HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;

const NAMES = ['If-None-Match', 'if-modified-since', 'RANGE', 'Accept-Encoding', 'X-Forwarded-For'];
const ALL = [
  ...NAMES,
  'If-Match',
  'If-Unmodified-Since',
  'Referer',
  'User-Agent',
  'X-If-Match',
  'Rang',
];

const plain = fc.string({ unit: fc.constantFrom(...'abc 019/*-;=(),.'), maxLength: 40 });
const odd = fc.string({
  unit: fc.constantFrom(...'a0 "\\', '\t', '\u00e4', '\u00ff', '\u0080', '\u007f'),
  maxLength: 12,
});
const value = fc.oneof({ weight: 6, arbitrary: plain }, { weight: 1, arbitrary: odd });
/** Their first values count, whoever asks, so that of one name only the first is told. */
const fields: fc.Arbitrary<Fields> = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...ALL), value), {
    selector: ([name]) => name.toLowerCase(),
  })
  .map((list) => [['Host', 'example.org'] as const, ...list]);
const target = fc
  .oneof(
    { weight: 4, arbitrary: fc.string({ unit: fc.constantFrom(...'ab/?&=%20'), maxLength: 60 }) },
    {
      weight: 1,
      arbitrary: fc.string({ unit: fc.constantFrom(...'a?"\\', '\u00e4', '\u00c3') }),
    },
  )
  .map((text) => `/${text}`);

describe('fields', () => {
  test('are the ones that uWebSockets.js has, however the request comes in', async () => {
    await fc.assert(
      fc.asyncProperty(
        target,
        fields,
        fc.integer({ min: 1, max: 200 }),
        async (path, list, piece) => {
          await send(
            headOf(path, list),
            (req) => expect(native.fieldsOf(req)).toBe(askFields(req)),
            piece,
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  test.each(Object.entries(Has))('%s has its bit, and an empty field has not', async (key, bit) => {
    const name =
      key === 'forwardedFor' ? 'x-forwarded-for' : key.replace(/[A-Z]/g, '-$&').toLowerCase();
    // One that says how long the body is must say so.
    const text = name === 'content-length' ? '0' : name === 'transfer-encoding' ? 'chunked' : 'x';
    const body = name === 'transfer-encoding' ? '0\r\n\r\n' : '';
    const list: Fields = [
      ['Host', 'a'],
      [name, text],
    ];
    await send(headOf('/', list) + body, (req) => expect(native.fieldsOf(req)).toBe(bit));
    if (body !== '' || name === 'content-length') return;
    await send(
      headOf('/', [
        ['Host', 'a'],
        [name, ''],
      ]),
      (req) => expect(native.fieldsOf(req)).toBe(0),
    );
  });

  test('of a request with as many as uWebSockets.js takes are all seen', async () => {
    const many: Fields = Array.from({ length: 96 }, (_, i) => [`x-${i}`, 'y']);
    await send(headOf('/', [['Host', 'a'], ...many, ['Range', 'bytes=0-1']]), (req) =>
      expect(native.fieldsOf(req)).toBe(Has.range),
    );
  });

  test('of a request whose handler has returned, or of something else, can not be told', async () => {
    let kept: HttpRequest | null = null;
    await send(headOf('/', [['Host', 'a']]), (req) => {
      kept = req;
      expect(native.fieldsOf(req)).toBe(0);
    });
    expect(kept).not.toBeNull();
    expect(native.fieldsOf(kept as unknown as object)).toBe(-1);
    for (const other of [{}, [], () => undefined, new Map(), 'x', 1, null, undefined]) {
      expect(native.fieldsOf(other as object)).toBe(-1);
    }
  });

  test('are not looked for by a module of another Node.js', async () => {
    const other = loadHttpNative('1');
    expect(other.lines).toBeNull();
    await send(
      headOf('/', [
        ['Host', 'a'],
        ['Range', 'x'],
      ]),
      (req, res) => {
        expect(other.fieldsOf(req)).toBe(-1);
        expect(other.socketOf(res)).toBe(0);
        expect(native.socketOf(res)).not.toBe(0);
      },
    );
  });
});

describe('lines of the access log', () => {
  const source = { mount: 'main', volume: 'a' };
  const entry = { client: '192.0.2.1', status: 200, bytes: 4096, startedMs: 1_700_000_000_123 };
  const quiet = createLogger({ level: 'error', style: 'text', write: () => undefined });
  let files = 0;

  function open(format: LogConfig['format'], maker = native.lines) {
    const path = join(folder, String(files++));
    const log = createAccessLog(
      { access: { kind: 'file', path }, format, level: 'info' },
      quiet,
      maker,
    );
    const written = async (): Promise<string> => {
      await log.close();
      return readFileSync(path, 'latin1');
    };
    return { log, written };
  }

  const bare = {
    getUrl: () => '/',
    getQuery: () => undefined,
    getHeader: () => '',
  } as unknown as HttpRequest;
  const entryOf = (req: HttpRequest, more: Partial<AccessEntry>): AccessEntry => {
    return {
      ...{ ...entry, durationMs: 0, method: 'GET', cache: 'hit', ...source },
      target: targetOf(req),
      host: req.getHeader('host'),
      referer: req.getHeader('referer'),
      userAgent: req.getHeader('user-agent'),
      ...more,
    };
  };

  test.each(['combined', 'json'] as const)(
    'in %s are those that JavaScript makes',
    async (format) => {
      const { log, written } = open(format);
      const shape = log.shapeOf(source);
      const first = entryOf(bare, {});
      log.record(first);
      let expected = accessLine(first, format);
      let native = 0;
      await fc.assert(
        fc.asyncProperty(
          target,
          fields,
          fc.record({
            client: fc.constantFrom(
              '',
              '192.0.2.1',
              '2001:db8::a',
              'a b',
              '\u00e4',
              '\u0100',
              'x'.repeat(70),
            ),
            status: fc.constantFrom(200, 304),
            bytes: fc.nat(),
            startedMs: fc.integer({ min: 0, max: 4e12 }),
            durationMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
          }),
          async (path, list, more) => {
            await send(headOf(path, list), (req) => {
              const all = entryOf(req, more);
              if (log.recordHot(shape, req, all)) native += 1;
              else log.record(all);
              expected += accessLine(all, format);
            });
          },
        ),
        { numRuns: 300 },
      );
      expect(native).toBeGreaterThan(50);
      expect(await written()).toBe(Buffer.from(expected, 'utf8').toString('latin1'));
    },
  );

  test('go on over seconds and chunks', async () => {
    const { log, written } = open('combined');
    const shape = log.shapeOf(source);
    const agent = 'x'.repeat(3000);
    let expected = '';
    for (let i = 0; i < 200; i++) {
      await send(
        headOf(`/${i}`, [
          ['Host', 'h'],
          ['User-Agent', agent],
        ]),
        (req) => {
          const all = entryOf(req, { startedMs: entry.startedMs + i * 300, durationMs: i / 7 });
          if (!log.recordHot(shape, req, all)) log.record(all);
          expected += accessLine(all, 'combined');
        },
      );
    }
    expect(await written()).toBe(expected);
  });

  test('are made by JavaScript where there is no addon, where it is closed, and where the mount has an odd name', async () => {
    const without = open('json', null);
    const { log, written } = open('json');
    log.record(entryOf(bare, {}));
    const shape = log.shapeOf(source);
    expect(log.shapeOf({ ...source })).toBe(shape);
    expect(log.shapeOf({ ...source, mount: 'b' })).not.toBe(shape);
    await send(headOf('/', [['Host', 'a']]), (req) => {
      const all = entryOf(req, {});
      expect(log.recordHot(shape, req, all)).toBe(true);
      expect(log.recordHot(log.shapeOf({ ...source, mount: 'a"b' }), req, all)).toBe(false);
      expect(log.recordHot(shape, {}, all)).toBe(false);
      expect(without.log.recordHot(without.log.shapeOf(source), req, all)).toBe(false);
    });
    expect((await written()).split('\n')).toHaveLength(3);
    await send(headOf('/', [['Host', 'a']]), (req) => {
      expect(log.recordHot(shape, req, entryOf(req, {}))).toBe(false);
    });
    await without.written();
  });
});
