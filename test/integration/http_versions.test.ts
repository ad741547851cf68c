/** Which version and which part of a file is answered: siblings, preconditions, ranges; from a real volume. */
import { randomBytes } from 'node:crypto';
import { open, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { get } from '../support/client.js';
import { Gfserve, until } from '../support/gfserve.js';
import {
  APP,
  CHANGED,
  type HttpSite,
  LARGE,
  LAST_MODIFIED,
  startHttpSite,
  TEXT,
} from '../support/http_site.js';

let site: HttpSite;

beforeAll(async () => {
  site = await startHttpSite();
}, 240_000);

afterAll(() => site?.stop(), 60_000);

const ask: HttpSite['ask'] = (...args) => site.ask(...args);

describe('precompressed siblings', () => {
  test.each([
    ['br, gzip', 'br', brotliCompressSync(APP)],
    ['gzip', 'gzip', gzipSync(APP)],
    ['br;q=0.5, gzip', 'gzip', gzipSync(APP)],
    ['zstd', undefined, APP],
    ['identity', undefined, APP],
    ['br;q=0, gzip;q=0, identity;q=0', undefined, APP],
  ])('%s', async (accept, encoding, body) => {
    const answer = await ask('/pre/app.js', { 'Accept-Encoding': accept });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-encoding']).toBe(encoding);
    expect(answer.headers['content-type']).toBe('text/javascript');
    expect(answer.headers['content-length']).toBe(String(body.length));
    expect(answer.body.equals(body)).toBe(true);
  });

  test('each has an ETag of its own, and Vary is on every answer', async () => {
    const [plain, packed] = [
      await ask('/pre/app.js'),
      await ask('/pre/app.js', { 'Accept-Encoding': 'br' }),
    ];
    expect(plain.headers.etag).not.toBe(packed.headers.etag);
    const etag = packed.headers.etag ?? '';
    const unchanged = await ask('/pre/app.js', { 'Accept-Encoding': 'br', 'If-None-Match': etag });
    expect(unchanged.status).toBe(304);
    const other = await ask('/pre/app.js', { 'Accept-Encoding': 'gzip', 'If-None-Match': etag });
    expect(other.status).toBe(200);
    const more = await Promise.all([
      ask('/pre/missing'),
      ask('/pre/dir'),
      ask('/pre/app.js', { Range: 'bytes=0-1' }),
      ask('/pre/app.js', { Range: 'bytes=99999-' }),
      ask('/pre/app.js', {}, 'POST'),
    ]);
    for (const { headers } of [plain, packed, unchanged, other, ...more])
      expect(headers.vary).toBe('Accept-Encoding');
  });

  test('ranges count in the encoded bytes', async () => {
    const encoded = brotliCompressSync(APP);
    const answer = await ask('/pre/app.js', { 'Accept-Encoding': 'br', Range: 'bytes=2-4' });
    expect(answer.headers['content-range']).toBe(`bytes 2-4/${encoded.length}`);
    expect(answer.body.equals(encoded.subarray(2, 5))).toBe(true);
  });

  test('an index has siblings too; elsewhere there are none', async () => {
    const index = await ask('/pre/dir/', { 'Accept-Encoding': 'gzip' });
    expect(index.headers['content-encoding']).toBe('gzip');
    expect(index.headers['content-type']).toBe('text/html');
    const plain = await ask('/app.js', { 'Accept-Encoding': 'br, gzip' });
    expect([plain.headers['content-encoding'], plain.headers.vary]).toEqual([undefined, undefined]);
  });
});

describe('validators and preconditions', () => {
  test('Last-Modified in whole seconds, a strong ETag that is the same for every worker', async () => {
    const { headers } = await ask('/a.txt');
    expect(headers['last-modified']).toBe(LAST_MODIFIED);
    expect(headers.etag).toMatch(/^"[0-9a-f]{32}-[0-9a-z]+-[0-9a-z.]+"$/);
    const other = await Gfserve.start({
      config: `
[volume again]
volname = site
servers = ${site.cluster.addresses.join(', ')}
[mount one]
path = /x
root = /htdocs
volume = again
`,
    });
    try {
      expect((await get(other.port, '/x/a.txt')).headers.etag).toBe(headers.etag);
    } finally {
      await other.stop();
    }
  });

  test('a file renamed over another never keeps its ETag', async () => {
    const write = async (): Promise<void> => {
      const file = join(site.htdocs, 'replaced.txt');
      await writeFile(`${file}.new`, TEXT);
      await utimes(`${file}.new`, CHANGED, CHANGED);
      await rename(`${file}.new`, file);
    };
    await write();
    const before = (await ask('/replaced.txt')).headers.etag;
    await write();
    await until(
      'another ETag',
      5000,
      async () => (await ask('/replaced.txt')).headers.etag !== before,
    );
  });

  const LATER = 'Sun, 01 Mar 2020 00:00:00 GMT';
  const EARLIER = 'Sat, 29 Feb 2020 12:34:55 GMT';
  test.each([
    [{ 'If-None-Match': 'TAG' }, 304],
    [{ 'If-None-Match': 'W/TAG' }, 304],
    [{ 'If-None-Match': '"x", TAG' }, 304],
    [{ 'If-None-Match': '*' }, 304],
    [{ 'If-None-Match': '"x"' }, 200],
    [{ 'If-Modified-Since': LAST_MODIFIED }, 304],
    [{ 'If-Modified-Since': LATER }, 304],
    [{ 'If-Modified-Since': EARLIER }, 200],
    [{ 'If-Modified-Since': 'Saturday, 29-Feb-20 12:34:56 GMT' }, 304],
    [{ 'If-Modified-Since': 'Sat Feb 29 12:34:56 2020' }, 304],
    [{ 'If-Modified-Since': 'today' }, 200],
    // If-None-Match counts instead of If-Modified-Since, If-Match instead of If-Unmodified-Since.
    [{ 'If-None-Match': '"x"', 'If-Modified-Since': LATER }, 200],
    [{ 'If-Match': 'TAG', 'If-Unmodified-Since': EARLIER }, 200],
    [{ 'If-Match': 'TAG' }, 200],
    [{ 'If-Match': '*' }, 200],
    [{ 'If-Match': 'W/TAG' }, 412],
    [{ 'If-Match': '"x"' }, 412],
    [{ 'If-Match': '"x"', 'If-None-Match': 'TAG' }, 412],
    [{ 'If-Unmodified-Since': LAST_MODIFIED }, 200],
    [{ 'If-Unmodified-Since': EARLIER }, 412],
    [{ 'If-Unmodified-Since': 'today' }, 200],
    [{ 'If-Match': 'TAG', 'If-None-Match': 'TAG' }, 304],
    [{ 'If-None-Match': 'TAG', Range: 'bytes=0-1' }, 304],
    [{ 'If-Match': '"x"', Range: 'bytes=0-1' }, 412],
    [{ 'If-Match': 'TAG', Range: 'bytes=0-1' }, 206],
  ])('%j: %d', async (given, status) => {
    const { etag = '' } = (await ask('/a.txt')).headers;
    const headers = Object.fromEntries(
      Object.entries(given).map(([name, value]) => [name, value.replace('TAG', etag)]),
    );
    for (const method of ['GET', 'HEAD']) {
      const answer = await ask('/a.txt', headers, method);
      // HEAD knows no ranges.
      expect(answer.status).toBe(method === 'HEAD' && status === 206 ? 200 : status);
      if (method === 'GET' && status === 200) expect(answer.body.toString()).toBe(TEXT);
      if (status === 304) expect(answer.body.length).toBe(0);
      if (status === 412 && method === 'GET') expect(answer.body.length).toBeGreaterThan(0);
    }
  });

  test('304 carries what the 200 would have, save what describes the body', async () => {
    const whole = await ask('/pre/app.js', { 'Accept-Encoding': 'br' });
    const { etag = '' } = whole.headers;
    const answer = await ask('/pre/app.js', { 'Accept-Encoding': 'br', 'If-None-Match': etag });
    expect(answer.status).toBe(304);
    for (const name of ['etag', 'last-modified', 'vary'] as const)
      expect(answer.headers[name]).toBe(whole.headers[name]);
    expect(answer.headers.date).toBeDefined();
    for (const name of [
      'content-type',
      'content-encoding',
      'content-length',
      'content-range',
    ] as const)
      expect(answer.headers[name]).toBeUndefined();
  });
});

describe('ranges', () => {
  test.each([
    ['bytes=0-0', 0, 0],
    ['bytes=1-4', 1, 4],
    ['bytes=6-', 6, 11],
    ['bytes=-5', 7, 11],
    ['bytes=-500', 0, 11],
    ['bytes=0-500', 0, 11],
    ['bytes=3-5,4-7,8-8', 3, 8],
  ])('one: %s', async (range, start, end) => {
    const answer = await ask('/a.txt', { Range: range });
    expect(answer.status).toBe(206);
    expect(answer.headers['content-range']).toBe(`bytes ${start}-${end}/${TEXT.length}`);
    expect(answer.headers['content-length']).toBe(String(end - start + 1));
    expect(answer.headers['accept-ranges']).toBe('bytes');
    expect(answer.body.toString()).toBe(TEXT.slice(start, end + 1));
  });

  test('several, in the order asked, of a small file and of a large one', async () => {
    for (const [path, content, ranges] of [
      [
        '/a.txt',
        Buffer.from(TEXT),
        [
          [6, 8],
          [0, 1],
          [11, 11],
        ],
      ],
      [
        '/large.bin',
        LARGE,
        [
          [1_400_000, 1_499_999],
          [0, 99_999],
          [700_000, 700_000],
        ],
      ],
    ] as const) {
      const header = ranges.map(([start, end]) => `${start}-${end}`).join(',');
      const answer = await ask(path, { Range: `bytes=${header}` });
      expect([answer.status, answer.complete]).toEqual([206, true]);
      expect(answer.headers['content-length']).toBe(String(answer.body.length));
      const [, boundary = ''] =
        /^multipart\/byteranges; boundary=(\S+)$/.exec(answer.headers['content-type'] ?? '') ?? [];
      const type = path === '/a.txt' ? 'text/plain; charset=utf-8' : 'application/octet-stream';
      const expected = ranges.flatMap(([start, end]) => [
        Buffer.from(
          `\r\n--${boundary}\r\nContent-Type: ${type}\r\nContent-Range: bytes ${start}-${end}/${content.length}\r\n\r\n`,
        ),
        content.subarray(start, end + 1),
      ]);
      const whole = Buffer.concat([...expected, Buffer.from(`\r\n--${boundary}--\r\n`)]);
      expect(answer.body.equals(whole)).toBe(true);
    }
  });

  test.each([
    [
      Array.from({ length: 51 }, (_, index) => `${index * 9}-${index * 9}`).join(','),
      '/large.bin',
      200,
    ],
    [
      Array.from({ length: 50 }, (_, index) => `${index * 9}-${index * 9}`).join(','),
      '/large.bin',
      206,
    ],
    ['0-,0-', '/a.txt', 200],
    ['12-', '/a.txt', 416],
    ['5-2', '/a.txt', 416],
    ['x', '/a.txt', 416],
    ['0-0', '/zero.txt', 416],
  ])('bytes=%s of %s: %d', async (set, path, status) => {
    const answer = await ask(path, { Range: `bytes=${set}` });
    expect(answer.status).toBe(status);
    if (status === 416) {
      const size = path === '/a.txt' ? TEXT.length : 0;
      expect(answer.headers['content-range']).toBe(`bytes */${size}`);
    }
    if (status === 200) expect(answer.headers['accept-ranges']).toBe('bytes');
  });

  test('another unit is ignored, and so is a range on HEAD', async () => {
    expect((await ask('/a.txt', { Range: 'lines=0-1' })).status).toBe(200);
    expect((await ask('/a.txt', { Range: 'bytes=0-1' }, 'HEAD')).status).toBe(200);
  });

  test.each([
    ['TAG', 206],
    [LAST_MODIFIED, 206],
    ['W/TAG', 200],
    ['"x"', 200],
    ['Sun, 01 Mar 2020 00:00:00 GMT', 200],
    ['nonsense', 200],
  ])('If-Range: %s: %d', async (ifRange, status) => {
    for (const path of ['/a.txt', '/large.bin']) {
      const { etag = '' } = (await ask(path)).headers;
      const headers = { Range: 'bytes=5-', 'If-Range': ifRange.replace('TAG', etag) };
      const answer = await ask(path, headers);
      const content = path === '/a.txt' ? Buffer.from(TEXT) : LARGE;
      expect([answer.status, answer.complete]).toEqual([status, true]);
      expect(answer.body.equals(status === 206 ? content.subarray(5) : content)).toBe(true);
    }
  });

  test.each([
    [300_000, 900_000],
    [0, 262_144],
    [1_499_999, 1_499_999],
    [65_536, 65_536],
  ])('of a large file, bytes %d to %d', async (start, end) => {
    const answer = await ask('/large.bin', { Range: `bytes=${start}-${end}` });
    expect(answer.status).toBe(206);
    expect(answer.body.equals(LARGE.subarray(start, end + 1))).toBe(true);
  });

  test('6 GiB, sparse: across 4 GiB, the last byte, a suffix, and three far apart', async () => {
    const GIB = 2 ** 30;
    const size = 6 * GIB;
    const file = join(site.htdocs, 'sparse.bin');
    const handle = await open(file, 'w');
    await handle.truncate(size);
    const places = new Map<number, Buffer>();
    for (const at of [1000, 4 * GIB - 50, 5 * GIB, size - 100]) {
      const bytes = randomBytes(100);
      await handle.write(bytes, 0, 100, at);
      places.set(at, bytes);
    }
    await handle.close();
    const at = (place: number): Buffer => places.get(place) ?? Buffer.alloc(0);
    const crossing = await ask('/sparse.bin', { Range: `bytes=${4 * GIB - 50}-${4 * GIB + 49}` });
    expect(crossing.headers['content-range']).toBe(`bytes ${4 * GIB - 50}-${4 * GIB + 49}/${size}`);
    expect(crossing.body.equals(at(4 * GIB - 50))).toBe(true);
    const last = await ask('/sparse.bin', { Range: `bytes=${size - 1}-` });
    expect(last.body.equals(at(size - 100).subarray(99))).toBe(true);
    const suffix = await ask('/sparse.bin', { Range: 'bytes=-100' });
    expect(suffix.body.equals(at(size - 100))).toBe(true);
    const ranges = [`${5 * GIB}-${5 * GIB + 99}`, '1000-1099', `${size - 100}-${size - 1}`];
    const three = await ask('/sparse.bin', { Range: `bytes=${ranges.join(',')}` });
    expect([three.status, three.headers['content-length']]).toEqual([
      206,
      String(three.body.length),
    ]);
    const found = [5 * GIB, 1000, size - 100].map((place) => three.body.indexOf(at(place)));
    expect(found.every((index) => index > 0)).toBe(true);
    expect([...found].sort((a, b) => a - b)).toEqual(found);
    await rm(file);
  });
});
