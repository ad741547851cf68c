/** Which files of a mount are compressed, and what the answers say then. */

import { describe, expect, test } from '@jest/globals';
import { sections } from '../../src/config/schema.js';
import type { MountConfig } from '../../src/config/types.js';
import { UNCONDITIONAL } from '../../src/http/conditional.js';
import { etag, rangeOf, variantReply } from '../../src/http/reply.js';
import { candidatesFor, chosen, type Form } from '../../src/http/resolve.js';
import { createRouter, type Mount } from '../../src/http/route.js';
import type { Kept, Stat } from '../../src/storage/storage.js';
import { mountConfig } from '../support/mount_config.js';
import { unaskedStorage } from '../support/test_mount.js';

const keeping = { ...unaskedStorage, keepsUpTo: 10_000 };

function mountOf(changes: Partial<MountConfig>): Mount {
  const config = mountConfig({ compress: ['br', 'gzip'], ...changes });
  const [mount] = createRouter([config], () => keeping).mounts;
  if (!mount) throw new Error('no mount');
  return mount;
}

/** As the schema has it. */
const DEFAULT_TYPES = sections
  .flatMap(({ keys }) => Object.entries(keys))
  .flatMap(([name, key]) =>
    name === 'compress-types' && key.kind === 'default' ? key.fallback.split(', ') : [],
  );

describe('by default', () => {
  const mount = mountOf({ compressTypes: DEFAULT_TYPES, charset: 'utf-8' });
  const taken = [
    ...['html', 'css', 'js', 'mjs', 'json', 'map', 'xml', 'svg', 'txt', 'md', 'csv', 'wasm', 'ttf'],
    ...['otf', 'eot', 'ico', 'webmanifest', 'rss', 'atom', 'xhtml', 'geojson', 'jsonld', 'yaml'],
  ];
  test.each(taken)('.%s is compressed', (extension) => {
    expect(mount.compression.takes(`/dir.d/a.${extension}`)).toBe(true);
  });
  const left = [
    ...['png', 'jpg', 'webp', 'mp4', 'woff', 'woff2', 'zip', 'gz', 'br', 'zst', 'pdf', 'bin', ''],
    ...['html.gz', 'json.br', 'svg.zst', 'TXT.GZ'],
  ];
  test.each(left)('.%s is not', (extension) => {
    expect(mount.compression.takes(`/a.${extension}`)).toBe(false);
  });
});

test.each<[string[], string, boolean]>([
  [['*/*'], '/a.png', true],
  [['*/*'], '/a.png.gz', false],
  [['image/*'], '/a.png', true],
  [['image/p*'], '/a.jpg', false],
  [['text/html'], '/a.HTML', true],
  [['text/html'], '/a.css', false],
  [['application/*+json'], '/a.geojson', true],
  [['application/*+json'], '/a.json', false],
  [['text/x.y'], '/a.own', true],
  [['text/x|y'], '/a.own', false],
  [['text/*y', 'a/b'], '/a.own', true],
  [['text/x'], '/a.own', false],
])('%j: %s', (compressTypes, path, expected) => {
  const types = [{ glob: '*.own', type: 'Text/X.y' }];
  expect(mountOf({ compressTypes, types }).compression.takes(path)).toBe(expected);
});

test.each<[string, Partial<MountConfig>, boolean]>([
  ['a rule', { cacheControl: [{ glob: '*.txt', value: 'max-age=9, No-Transform' }] }, false],
  ['a rule for others', { cacheControl: [{ glob: '*.js', value: 'no-transform' }] }, true],
  ['another rule', { cacheControl: [{ glob: '*', value: 'x-no-transform' }] }, true],
  ['a header', { headers: [{ name: 'cache-control', value: 'no-transform' }] }, false],
  [
    'a rule that a header replaces',
    {
      headers: [{ name: 'Cache-Control', value: '' }],
      cacheControl: [{ glob: '*', value: 'no-transform' }],
    },
    true,
  ],
])('no-transform in %s', (_, changes, expected) => {
  expect(mountOf(changes).compression.takes('/a.txt')).toBe(expected);
});

test('sizes between the smallest and what the cache keeps whole', () => {
  const { compression } = mountOf({ compressMinBytes: 100 });
  expect([99, 100, 10_000, 10_001].map(compression.fits)).toEqual([false, true, true, false]);
  expect(mountOf({ compressMinBytes: 0 }).compression.fits(0)).toBe(false);
  const [uncached] = createRouter([mountConfig({ compress: ['br'] })], () => unaskedStorage).mounts;
  expect(uncached?.compression.fits(2000)).toBe(false);
});

test('a mount that compresses varies, and needs Accept-Encoding', () => {
  const router = createRouter([mountConfig({ compress: ['gzip'] })], () => keeping);
  expect([router.needsAcceptEncoding, router.mounts[0]?.varies]).toEqual([true, true]);
  const other = createRouter([mountConfig()], () => keeping);
  expect([other.needsAcceptEncoding, other.mounts[0]?.varies]).toEqual([false, false]);
});

describe('candidates', () => {
  const show = (form: Form): string => {
    if (form.kind === 'plain') return '';
    if (form.kind === 'sibling') return ` (${form.encoding})`;
    return ` +${form.encoding}${form.others ? ' or others' : ''}`;
  };
  test.each<[string, string, string, string[]]>([
    ['', 'br, gzip', '/a.js', ['/a.js +br']],
    ['', 'br;q=0.9, gzip', '/a.js', ['/a.js +gzip']],
    ['', 'zstd', '/a.js', ['/a.js']],
    ['', 'br', '/a.png', ['/a.png']],
    ['', 'br', '/', ['/index.html +br', '/']],
    ['br gzip', 'br, gzip', '/a.js', ['/a.js.br (br)', '/a.js.gz (gzip)', '/a.js +br']],
    [
      'br gzip',
      'br, gzip;q=0.5',
      '/a.js',
      ['/a.js.br (br)', '/a.js +br or others', '/a.js.gz (gzip)'],
    ],
    ['br gzip', 'br, gzip;q=0.5', '/a.png', ['/a.png.br (br)', '/a.png.gz (gzip)', '/a.png']],
    ['zstd', 'gzip, zstd;q=0.5', '/a.js', ['/a.js +gzip or others', '/a.js.zst (zstd)']],
    ['gzip', 'gzip', '/a.js.gz', ['/a.js.gz']],
    ['gzip', 'gzip', '/', ['/index.html.gz (gzip)', '/index.html +gzip', '/']],
  ])('precompressed = %s, Accept-Encoding: %s: %s', (precompressed, accept, path, expected) => {
    const offered = ['br', 'zstd', 'gzip'] as const;
    const siblings = offered.filter((encoding) => precompressed.split(' ').includes(encoding));
    const mount = mountOf({ precompressed: siblings });
    const choice = candidatesFor(mount, path, mount.encodings(accept));
    const found = choice.paths.map((each, index) => each + show(chosen(choice, index).form));
    expect(found).toEqual(expected);
  });
});

describe('the answer', () => {
  const stat: Stat = {
    type: 'file',
    size: 2000,
    mtimeSeconds: 784111777,
    mtimeNanoseconds: 5,
    ctimeSeconds: 0,
    ctimeNanoseconds: 0,
    gfid: '00112233445566778899aabbccddeeff',
  };
  let lent = 0;
  const variant: Kept = {
    stat,
    bytes: Buffer.from('packed'),
    alive: true,
    take: () => true,
    used: () => undefined,
    ttlMs: () => 0,
    lend: () => {
      lent += 1;
      return { bytes: Buffer.from('packed'), release: () => undefined };
    },
  };
  const mount = mountOf({ cacheControl: [{ glob: '*.css', value: 'max-age=1' }] });
  const representation = { mount, name: '/x.css', encoding: 'br', compressed: true } as const;
  const plain = { ...representation, encoding: null, compressed: false };
  const get = { isHead: false, conditions: null, nowMs: 2e12, nextBoundary: () => 'b' };
  const tag = etag(stat);
  const own = `${tag.slice(0, -1)}-br"`;

  test('has the headers of the file, an ETag of its own, and no Accept-Ranges', () => {
    const reply = variantReply(variant, representation, get);
    expect(reply.head.split('\r\n')).toEqual([
      '200 OK',
      'Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT',
      `ETag: ${own}`,
      'Cache-Control: max-age=1',
      'Content-Encoding: br',
      'Content-Type: text/css',
      'Vary: Accept-Encoding',
    ]);
    expect(reply).toMatchObject({ kind: 'file', body: { length: 6 } });
    expect(lent).toBe(1);
  });

  test('HEAD has its length, and borrows nothing', () => {
    lent = 0;
    const reply = variantReply(variant, representation, { ...get, isHead: true });
    expect(reply.head).toMatch(/\r\nContent-Length: 6\r\n/);
    expect([reply.kind, lent]).toEqual(['empty', 0]);
  });

  test.each([
    [{ ifNoneMatch: own }, 304],
    [{ ifNoneMatch: `W/${own}` }, 304],
    [{ ifNoneMatch: tag }, 200],
    [{ ifMatch: own }, 200],
    [{ ifMatch: tag }, 412],
    [{ ifMatch: '*' }, 200],
    [{ ifModifiedSince: 'Sun, 06 Nov 1994 08:49:37 GMT' }, 304],
    [{ range: 'bytes=0-1', ifRange: own }, 200],
  ])('%j: %d', (conditions, status) => {
    const asked = { ...get, conditions: { ...UNCONDITIONAL, ...conditions } };
    const reply = variantReply(variant, representation, asked);
    expect(reply.status).toBe(status);
    if (status === 304) expect(reply.head).toContain(`\r\nETag: ${own}`);
  });

  test.each([
    ['bytes=0-1', '', 'one'],
    ['bytes=0-1,5-6', '', 'many'],
    ['bytes=9999-', '', 'unsatisfiable'],
    ['bytes=0-1', tag, 'one'],
    ['bytes=0-1', own, 'whole'],
    ['bytes=0-1', 'Sun, 06 Nov 1994 08:49:37 GMT', 'one'],
    ['lines=0-1', '', 'whole'],
    ['', '', 'whole'],
  ])('Range: %s with If-Range: %s of the file is %s', (range, ifRange, kind) => {
    const asked = { ...get, conditions: { ...UNCONDITIONAL, range, ifRange } };
    expect(rangeOf(stat, plain, asked).kind).toBe(kind);
    expect(rangeOf(stat, plain, { ...asked, isHead: true }).kind).toBe('whole');
  });
});
