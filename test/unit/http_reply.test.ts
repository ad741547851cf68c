import { describe, expect, test } from '@jest/globals';
import { catalogue } from '../../src/errors.js';
import { UNCONDITIONAL } from '../../src/http/conditional.js';
import { httpDate } from '../../src/http/dates.js';
import {
  type Asked,
  contentReply,
  errorPageReply,
  errorReply,
  etag,
  optionsReply,
  redirectReply,
  requestError,
} from '../../src/http/reply.js';
import type { Chunk, Opened, Stat, StorageErrorCode } from '../../src/storage/storage.js';
import { testMount } from '../support/test_mount.js';

const stat: Stat = {
  type: 'file',
  size: 5,
  mtimeSeconds: 784111777,
  mtimeNanoseconds: 123456789,
  ctimeSeconds: 1_700_000_000,
  ctimeNanoseconds: 0,
  gfid: '00112233445566778899aabbccddeeff',
};

const mount = testMount({});

/** Something that was opened, and how often it was given back. */
function opened(changes: Partial<Stat> = {}): { found: Opened; released: () => number } {
  let released = 0;
  const chunk: Chunk = {
    bytes: Buffer.from('hello'),
    release: () => {
      released += 1;
    },
  };
  const found: Opened = {
    ok: true,
    candidate: 0,
    stat: { ...stat, ...changes },
    chunk,
    chunkOffset: 0,
    file: null,
    folder: null,
  };
  return { found, released: () => released };
}

const get: Asked = { isHead: false, conditions: null, nowMs: 0, nextBoundary: () => 'b' };
const head: Asked = { ...get, isHead: true };
const file = { mount, name: '/a.txt', encoding: null, compressed: false };

test('the ETag differs with gfid, size, seconds and nanoseconds, and with nothing else', () => {
  const tags = [
    stat,
    { ...stat, gfid: 'ff112233445566778899aabbccddeeff' },
    { ...stat, size: 6 },
    { ...stat, mtimeSeconds: 784111778 },
    { ...stat, mtimeNanoseconds: 123456790 },
  ].map(etag);
  expect(new Set(tags).size).toBe(tags.length);
  expect(etag({ ...stat })).toBe(etag(stat));
  for (const tag of tags) expect(tag).toMatch(/^"[\x21\x23-\x7e]+"$/);
});

test('dates are those of RFC 9110', () => {
  expect(httpDate(784111777)).toBe('Sun, 06 Nov 1994 08:49:37 GMT');
  expect(httpDate(0)).toBe('Thu, 01 Jan 1970 00:00:00 GMT');
});

describe('files', () => {
  test('GET has the body, HEAD its length', () => {
    const body = opened();
    const reply = contentReply(body.found, file, get);
    expect(reply).toMatchObject({
      kind: 'file',
      status: 200,
      body: { length: 5, pieces: [{ kind: 'file', offset: 0, length: 5 }] },
    });
    expect(body.released()).toBe(0);
    expect(reply.head.split('\r\n')).toEqual([
      '200 OK',
      'Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT',
      `ETag: ${etag(stat)}`,
      'Content-Type: text/plain',
      'Accept-Ranges: bytes',
    ]);
    const none = opened();
    expect(contentReply(none.found, file, head)).toEqual({
      kind: 'empty',
      status: 200,
      head: `${reply.head}\r\nContent-Length: 5`,
    });
    expect(none.released()).toBe(1);
  });

  test('the type and the cache rule go by the name, the encoding is named', () => {
    const css = testMount({
      cacheControl: [{ glob: '*.css', value: 'max-age=1' }],
      precompressed: ['gzip'],
    });
    const representation = { ...file, mount: css, name: '/x.css', encoding: 'gzip' } as const;
    const lines = contentReply(opened().found, representation, get).head.split('\r\n');
    for (const line of [
      'Content-Type: text/css',
      'Content-Encoding: gzip',
      'Cache-Control: max-age=1',
    ])
      expect(lines).toContain(line);
    expect(lines).toContain('Vary: Accept-Encoding');
  });

  test('whatever keeps an answer from having a body gives back what was opened', () => {
    for (const [conditions, status] of [
      [{ ...UNCONDITIONAL, ifNoneMatch: '*' }, 304],
      [{ ...UNCONDITIONAL, ifMatch: '"x"' }, 412],
      [{ ...UNCONDITIONAL, range: 'bytes=9-' }, 416],
    ] as const) {
      const body = opened();
      const reply = contentReply(body.found, file, { ...get, conditions });
      expect([reply.status, body.released()]).toEqual([status, 1]);
    }
  });

  test('a redirect has no body', () => {
    expect(redirectReply(301, '/d/', mount, false)).toEqual({
      kind: 'text',
      status: 301,
      head: '301 Moved Permanently\r\nLocation: /d/',
      body: '',
    });
  });
});

describe('errors', () => {
  const codes: [StorageErrorCode, number][] = [
    ['not-found', 404],
    ['forbidden', 403],
    ['not-regular', 403],
    ['connecting', 503],
    ['down', 503],
    ['busy', 503],
    ['timeout', 504],
    ['io', 503],
    ['changed', 503],
  ];

  test.each(codes)('%s answers %d', (code, status) => {
    for (const isHead of [false, true]) {
      const reply = errorReply(requestError(code), mount, isHead);
      expect(reply.status).toBe(status);
      const retries = status === 503 || status === 504;
      expect(/\r\nRetry-After: \d+\r\nCache-Control: no-store/.test(reply.head)).toBe(retries);
    }
  });

  test('each says its status, and HEAD announces the length that GET has', () => {
    for (const code of ['GFS_NOT_FOUND', 'GFS_INTERNAL', 'GFS_METHOD_NOT_ALLOWED'] as const) {
      const whole = errorReply(code, null, false);
      if (whole.kind !== 'text') throw new Error('no text');
      expect(whole.body.startsWith(`${catalogue[code].status} `)).toBe(true);
      expect(errorReply(code, null, true).head).toBe(
        `${whole.head}\r\nContent-Length: ${whole.body.length}`,
      );
    }
    expect(errorReply('GFS_METHOD_NOT_ALLOWED', mount, false).head).toContain(
      '\r\nAllow: GET, HEAD, OPTIONS',
    );
  });

  test('a page of the mount has its own type, and no validators', () => {
    const reply = errorPageReply('GFS_BUSY', opened().found, { ...file, name: '/x.html' }, false);
    expect(reply.head.split('\r\n')).toEqual([
      '503 Service Unavailable',
      'Content-Type: text/html',
      'Retry-After: 1',
      'Cache-Control: no-store',
    ]);
  });

  test('OPTIONS has neither body nor length', () => {
    expect(optionsReply(null)).toEqual({
      kind: 'empty',
      status: 204,
      head: '204 No Content\r\nAllow: GET, HEAD, OPTIONS',
    });
  });
});
