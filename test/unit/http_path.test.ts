import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  encodePath,
  encodeQuery,
  hasHiddenSegment,
  MAX_PATH,
  parsePath,
} from '../../src/http/path.js';

const ok = (path: string) => ({ ok: true, path });
const bad = { ok: false, code: 'GFS_BAD_PATH' };
const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

describe('parsePath', () => {
  test.each([
    ['/', '/'],
    ['/a/b.txt', '/a/b.txt'],
    ['/a/', '/a/'],
    ['//a///b//', '/a/b/'],
    ['/a/./b', '/a/b'],
    ['/a/.', '/a/'],
    ['/a/..', '/'],
    ['/a/b/../c', '/a/c'],
    ['/a/b/..', '/a/'],
    ['/a/...', '/a/...'],
    ['/.a', '/.a'],
    ['/a%20b', '/a b'],
    ['/a+b', '/a+b'],
    ['/%61', '/a'],
    ['/%2561', '/%61'],
    ['/a%2Fb', '/a/b'],
    ['/a%2f%2e%2e%2fb', '/b'],
    ['/a%3Fb', '/a?b'],
    ['/a#b', '/a'],
    ['/a%23b', '/a#b'],
    ['/\\..\\x', '/\\..\\x'],
    ['/ü', bytes('/ü')],
    ['/%C3%BC', bytes('/ü')],
    ['/%ff%FE', '/\xff\xfe'],
  ])('%s → %s', (url, path) => {
    expect(parsePath(url)).toEqual(ok(path));
  });

  test.each([
    '',
    '*',
    'a',
    'http://a/b',
    '/%',
    '/%a',
    '/%zz',
    '/%0',
    '/a%00',
    '/..',
    '/a/../..',
    '/%2e%2e/a',
    '/\ufffd',
  ])('%s is refused', (url) => {
    expect(parsePath(url)).toEqual(bad);
  });

  test('the limit is on the decoded bytes', () => {
    expect(parsePath(`/${'a'.repeat(MAX_PATH - 1)}`).ok).toBe(true);
    expect(parsePath(`/${'%61'.repeat(MAX_PATH - 1)}`).ok).toBe(true);
    expect(parsePath(`/${'a'.repeat(MAX_PATH)}`)).toEqual({ ok: false, code: 'GFS_URI_TOO_LONG' });
    expect(parsePath(`/${'%61'.repeat(MAX_PATH)}`)).toEqual({
      ok: false,
      code: 'GFS_URI_TOO_LONG',
    });
  });

  const hostile = fc
    .array(
      fc.constantFrom(
        '/',
        '.',
        '..',
        '%2e',
        '%2E',
        '%2f',
        '%5c',
        '\\',
        'a',
        '%',
        '%0',
        '%00',
        '%ff',
        '#',
        '?',
        'ü',
      ),
    )
    .map((parts) => `/${parts.join('')}`);

  test('whatever the path, the result is normalised and stays below the root', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          hostile,
          fc.string().map((text) => `/${text}`),
        ),
        (url) => {
          const result = parsePath(url);
          if (!result.ok) return;
          expect(result.path.startsWith('/')).toBe(true);
          expect(result.path).not.toMatch(/\/\/|\/\.{1,2}(?:\/|$)|\0/);
          expect(/^[\0-\xff]*$/.test(result.path)).toBe(true);
        },
      ),
      { numRuns: 5000 },
    );
  });

  test('decoding happens once: encoding any bytes and parsing gives them back', () => {
    const segment = fc
      .uint8Array({ minLength: 1, maxLength: 40 })
      .map((array) => Buffer.from(array).toString('latin1'))
      .filter((name) => !/[/\0]/.test(name) && name !== '.' && name !== '..');
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 5 }), (segments) => {
        const path = `/${segments.join('/')}`;
        expect(parsePath(encodePath(path))).toEqual(ok(path));
      }),
    );
  });
});

test.each([
  ['/a/b', false],
  ['/.a', true],
  ['/a/.b/c', true],
  ['/a.b', false],
  ['/.well-known', false],
  ['/.well-known/acme', false],
  ['/.well-known/.x', true],
  ['/.well-knownx', true],
  ['/...', true],
])('hasHiddenSegment(%s) is %s', (path, hidden) => {
  expect(hasHiddenSegment(path)).toBe(hidden);
});

test('a query can never end a header line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (query) => {
      expect(encodeQuery(query)).toMatch(/^[!-~]*$/);
    }),
  );
  expect(encodeQuery('a=b&c=%20')).toBe('a=b&c=%20');
});
