import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { headerRule } from '../../src/config/headers.js';
import type { HeaderRule } from '../../src/config/types.js';
import { compileHeaders } from '../../src/http/headers.js';

const rules = (...lines: string[]): HeaderRule[] =>
  lines.map((line) => {
    const parsed = headerRule.parse(line);
    if (!parsed.ok) throw new Error(parsed.message);
    return parsed.value;
  });

const head = '200 OK\r\nContent-Type: text/html\r\nETag: "a"\r\nAccept-Ranges: bytes';
const varied = `${head}\r\nVary: Accept-Encoding`;

test('without rules a head is the very same', () => {
  expect(compileHeaders([])(head)).toBe(head);
});

test.each([
  ['added', ['X-A: b'], head, `${head}\r\nX-A: b`],
  ['added in their order', ['X-B: 1', 'X-A: 2'], head, `${head}\r\nX-B: 1\r\nX-A: 2`],
  ['a line each', ['Link: a', 'Link: b'], head, `${head}\r\nLink: a\r\nLink: b`],
  ['removed', ['etag:'], head, head.replace('\r\nETag: "a"', '')],
  ['removed where there is none', ['X-A:'], head, head],
  [
    'replaced',
    ['accept-ranges: none'],
    head,
    `${head.replace('\r\nAccept-Ranges: bytes', '')}\r\naccept-ranges: none`,
  ],
  ['no part of a name', ['Tag:', 'E:', 'X.Tag:'], head, head],
  ['no text of a value', ['bytes: x', 'X:'], head, `${head}\r\nbytes: x`],
  ['Vary added', ['Vary: Origin'], head, `${head}\r\nVary: Origin`],
  ['Vary merged', ['Vary: Origin'], varied, `${head}\r\nVary: Accept-Encoding, Origin`],
  [
    'Vary merged without doubles',
    ['vary: Origin, accept-encoding', 'Vary: origin,Cookie'],
    varied,
    `${head}\r\nVary: Accept-Encoding, Origin, Cookie`,
  ],
])('%s', (_, lines, before, after) => {
  expect(compileHeaders(rules(...lines))(before)).toBe(after);
});

test('whatever the rules, only whole lines of the names in them change', () => {
  const name = fc.constantFrom('X-A', 'etag', 'Vary', 'Accept-Ranges', 'Link', 'x.*');
  const rule = fc.tuple(name, fc.stringMatching(/^[ -~]{0,8}$/)).map(([key, value]) => {
    const parsed = headerRule.parse(`${key}: ${value}`);
    return parsed.ok ? parsed.value : null;
  });
  fc.assert(
    fc.property(fc.array(rule), fc.constantFrom(head, varied), (parsed, before) => {
      const valid = parsed.filter((each) => each !== null);
      const touched = new Set(valid.map((each) => each.name.toLowerCase()));
      const lines = compileHeaders(valid)(before).split('\r\n');
      const other = (line: string): boolean =>
        !touched.has(line.split(':')[0]?.toLowerCase() ?? '');
      expect(lines.filter(other)).toEqual(before.split('\r\n').filter(other));
      for (const line of lines) expect(line).toMatch(/^[\t -~]+$/);
      expect(lines.filter((line) => /^vary:/i.test(line)).length).toBeLessThanOrEqual(1);
      if (before === varied) expect(lines.join()).toMatch(/Vary: Accept-Encoding/);
    }),
  );
});
