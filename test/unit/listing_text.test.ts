import { describe, expect, test } from '@jest/globals';
import { dateOf, hrefOf, isUtf8, visibleName } from '../../src/http/listing_text.js';
import { counted, escapeHtml, grouped, humanSize } from '../../src/words.js';

const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

test.each([
  [0, '0 B'],
  [1, '1 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [1234, '1.2 kB'],
  [9949, '9.9 kB'],
  [9950, '10 kB'],
  [999_499, '999 kB'],
  [999_500, '1.0 MB'],
  [734_003_200, '734 MB'],
  [8_123_456_789, '8.1 GB'],
  [5 * 2 ** 40, '5.5 TB'],
  [Number.MAX_SAFE_INTEGER, '9.0 PB'],
  [2 ** 63, '9.2 EB'],
])('%d bytes are %s', (size, text) => {
  expect(humanSize(size)).toBe(text);
});

test.each([
  [0, '0'],
  [999, '999'],
  [1000, '1,000'],
  [1234567, '1,234,567'],
])('%d is grouped as %s', (number, text) => {
  expect(grouped(number)).toBe(text);
});

test('one is singular', () => {
  expect([0, 1, 2].map((count) => counted(count, 'file', 'files'))).toEqual([
    '0 files',
    '1 file',
    '2 files',
  ]);
});

describe('names', () => {
  test.each([
    ['plain', 'a.txt', 'a.txt'],
    ['UTF-8', bytes('Grüße 🎉'), 'Grüße 🎉'],
    ['not UTF-8', 'f\xff\xfe.txt', 'f\ufffd\ufffd.txt'],
    ['a byte that is missing', bytes('€').slice(0, 2), '\ufffd'],
    ['control characters', 'a\tb\nc\x1b\x7f', 'a\u2409b\u240ac\u241b\u2421'],
    ['C1 control characters', bytes('a\u0085'), 'a\ufffd'],
    ['an override of the direction', bytes('report\u202egnp.exe'), 'report\ufffdgnp.exe'],
    ['right to left', bytes('مرحبا'), 'مرحبا'],
  ])('%s', (_title, name, text) => {
    expect(visibleName(name)).toBe(text);
  });

  test.each([
    ['a', true],
    [bytes('€'), true],
    [bytes('\ufffd'), true],
    ['\xff', false],
    [bytes('€').slice(0, 2), false],
    ['\xc0\xaf', false],
    ['\xed\xa0\x80', false],
  ])('%j is UTF-8: %p', (name, expected) => {
    expect(isUtf8(name)).toBe(expected);
  });

  test.each([
    ['a', false, './a'],
    ['a', true, './a/'],
    ['javascript:alert(1)', false, './javascript:alert(1)'],
    ['a?b#c%d e', false, './a%3Fb%23c%25d%20e'],
    ['\xff', false, './%FF'],
    ['...', true, './.../'],
  ])('%j is linked', (name, isFolder, href) => {
    expect(hrefOf(name, isFolder)).toBe(href);
  });

  test('what would be markup is escaped', () => {
    expect(escapeHtml(`<a href="x" title='y'>&amp;`)).toBe(
      '&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;amp;',
    );
  });
});

test.each([
  [0, '1970-01-01T00:00:00.000Z'],
  [-1, '1969-12-31T23:59:59.000Z'],
  [253402300800, '9999-12-31T23:59:59.000Z'],
  [2 ** 63, '9999-12-31T23:59:59.000Z'],
  [-(2 ** 63), '0001-01-01T00:00:00.000Z'],
])('%d seconds are a date', (seconds, date) => {
  expect(dateOf(seconds).toISOString()).toBe(date);
});
