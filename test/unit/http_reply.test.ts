import { describe, expect, test } from '@jest/globals';
import { catalogue } from '../../src/errors.js';
import { errorReply, etag, fileReply, httpDate, optionsReply } from '../../src/http/reply.js';
import type { Mount } from '../../src/http/route.js';
import { compileRules } from '../../src/http/rules.js';
import { createTypes } from '../../src/http/types.js';
import type { Chunk, Stat, StorageErrorCode } from '../../src/storage/storage.js';
import { mountConfig } from '../support/mount_config.js';

const stat: Stat = {
  type: 'file',
  size: 5,
  mtimeSeconds: 784111777,
  mtimeNanoseconds: 123456789,
  gfid: '00112233445566778899aabbccddeeff',
};

const mount: Mount = {
  name: 'm',
  prefix: '',
  hosts: [],
  storage: {
    name: 'v',
    root: () => 0,
    open: () => {
      throw new Error('a reply opens nothing');
    },
  },
  root: 0,
  index: [],
  hidden: 'deny',
  types: createTypes([], null),
  rules: compileRules(mountConfig()),
};

const chunk: Chunk = { bytes: Buffer.from('hello'), release: () => undefined };

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
    const opened = { ok: true, candidate: 0, stat, chunk, file: null } as const;
    const reply = fileReply(opened, mount, '/a.txt', ['/a.txt'], '', false);
    expect(reply).toMatchObject({ kind: 'file', status: 200, size: 5, chunk });
    expect(reply.head.split('\r\n')).toEqual([
      '200 OK',
      'Content-Type: text/plain',
      'Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT',
      `ETag: ${etag(stat)}`,
    ]);
    const head = fileReply({ ...opened, chunk: null }, mount, '/a.txt', ['/a.txt'], '', true);
    expect(head).toEqual({
      kind: 'empty',
      status: 200,
      head: `${reply.head}\r\nContent-Length: 5`,
    });
  });

  test('the type is that of the candidate that was found', () => {
    const opened = { ok: true, candidate: 1, stat, chunk, file: null } as const;
    expect(fileReply(opened, mount, '/', ['/x.html', '/x.css', '/'], '', false).head).toContain(
      'text/css',
    );
  });

  test.each([
    ['/d', '', '/d/'],
    ['/d', 'a=b', '/d/?a=b'],
    ['/a b\xff"', '', '/a%20b%FF%22/'],
    ['/evil.example', '', '/evil.example/'],
    ['/d', 'x\r\nSet-Cookie: y', '/d/?x%0D%0ASet-Cookie:%20y'],
  ])('the folder %s with query %j is at %s', (path, query, location) => {
    const found = {
      ok: true,
      candidate: 0,
      stat: { ...stat, type: 'directory' },
      chunk: null,
      file: null,
    } as const;
    const reply = fileReply(found, mount, path, [path], query, false);
    expect([reply.status, reply.head]).toEqual([
      301,
      `301 Moved Permanently\r\nLocation: ${location}`,
    ]);
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
      const reply = fileReply({ ok: false, code, errno: 5 }, mount, '/secret-name', [], '', isHead);
      expect(reply.status).toBe(status);
      expect(JSON.stringify(reply)).not.toContain('secret-name');
      const retries = status === 503 || status === 504;
      expect(/\r\nRetry-After: \d+\r\nCache-Control: no-store/.test(reply.head)).toBe(retries);
    }
  });

  test('each says its status, and HEAD announces the length that GET has', () => {
    for (const code of ['GFS_NOT_FOUND', 'GFS_INTERNAL', 'GFS_METHOD_NOT_ALLOWED'] as const) {
      const whole = errorReply(code, false);
      if (whole.kind !== 'text') throw new Error('no text');
      expect(whole.body.startsWith(`${catalogue[code].status} `)).toBe(true);
      expect(errorReply(code, true).head).toBe(
        `${whole.head}\r\nContent-Length: ${whole.body.length}`,
      );
    }
    expect(errorReply('GFS_METHOD_NOT_ALLOWED', false).head).toContain(
      '\r\nAllow: GET, HEAD, OPTIONS',
    );
  });

  test('OPTIONS has neither body nor length', () => {
    expect(optionsReply()).toEqual({
      kind: 'empty',
      status: 204,
      head: '204 No Content\r\nAllow: GET, HEAD, OPTIONS',
    });
  });
});
