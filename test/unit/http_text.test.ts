import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { normaliseHost, safeHost } from '../../src/http/host.js';
import { toBytes, toText } from '../../src/http/text.js';

const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** Bytes near which UTF-8 changes its mind. */
const byte = fc.oneof(
  fc.integer({ min: 0, max: 255 }),
  fc.constantFrom(
    0x7f,
    0x80,
    0x8f,
    0x90,
    0x9f,
    0xa0,
    0xbf,
    0xc0,
    0xc2,
    0xe0,
    0xed,
    0xf0,
    0xf4,
    0xf5,
  ),
);

test('any bytes become text and come back', () => {
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 12 }), (array) => {
      const bytes = Buffer.from(array).toString('latin1');
      expect(toBytes(toText(bytes))).toBe(bytes);
    }),
    { numRuns: 20_000 },
  );
});

test('bytes that are UTF-8 are the text that they encode', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(toText(latin1(text))).toBe(text);
      expect(toBytes(text)).toBe(latin1(text));
    }),
  );
});

test.each([
  ['a stray byte', '\xff', '\udcff'],
  ['an overlong slash', '\xc0\xaf', '\udcc0\udcaf'],
  ['an encoded surrogate', '\xed\xa0\x80', '\udced\udca0\udc80'],
  ['beyond Unicode', '\xf4\x90\x80\x80', '\udcf4\udc90\udc80\udc80'],
  ['a sequence cut short', '\xe2\x82/', '\udce2\udc82/'],
  ['a stray byte behind an emoji', `${latin1('😀')}\x80`, '😀\udc80'],
])('%s', (_, bytes, text) => {
  expect(toText(bytes)).toBe(text);
  expect(toBytes(text)).toBe(bytes);
});

test.each([
  ['Example.ORG', 'example.org'],
  ['example.org:8080', 'example.org'],
  ['example.org.', 'example.org'],
  ['[::1]:80', '[::1]'],
  ['[::1]', '[::1]'],
])('normaliseHost(%s) is %s', (host, normalised) => {
  expect(normaliseHost(host)).toBe(normalised);
});

test.each([
  ['Example.ORG:80', 'example.org'],
  ['[2001:DB8::1]:80', '[2001:db8::1]'],
  ['', 'localhost'],
  [':80', 'localhost'],
  ['.', 'localhost'],
  ['..', '%2E'],
  ['...', '%2E%2E'],
  ['.git', '%2Egit'],
  ['a..b', 'a%2E%2Eb'],
  ['a/b', 'a%2Fb'],
  ['u@b', 'u%40b'],
  ['a\r\nx: y', 'a%0D%0Ax%3A%20y'],
  ['ü', '%C3%BC'],
  ['a%2fb', 'a%252fb'],
])('safeHost(%j) is %s', (host, safe) => {
  expect(safeHost(host)).toBe(safe);
});
