import { describe, expect, test } from '@jest/globals';
import { expand } from '../../src/config/environment.js';
import { scanValue } from '../../src/config/raw.js';

describe('what stands behind the =', () => {
  test.each([
    [' 8', '8'],
    ['8', '8'],
    ['\t8 \t', '8'],
    [' 8  ; comment', '8'],
    [' 8\t# comment; "quoted" or not', '8'],
    [' ', ''],
    [' ; all a comment', ''],
    [' a = b', 'a = b'],
    [' a\\xb', 'a\\xb'],
    [' ^/a\\.b\\\\$', '^/a\\.b\\\\$'],
    [' a\\', 'a\\'],
    [' "a;b#c"', 'a;b#c'],
    [' "a ; b"  ; comment "c"', 'a ; b'],
    [' "^/old/(\\d+)\\.html$ /new/$1"', '^/old/(\\d+)\\.html$ /new/$1'],
    [" '^/old/(\\d+)$'", '^/old/(\\d+)$'],
    [' "a\\"', 'a\\'],
    [' "a\\n"', 'a\\n'],
    ['"  a  "', '  a  '],
    [' ""', ''],
    [' "a""b"', 'a"b'],
    [' """"', '"'],
    [" 'it''s'", "it's"],
    [" 'a\"b'", 'a"b'],
    [' "it\'s"', "it's"],
    [' "\u2028\u00a0"', '\u2028\u00a0'],
    [' true', 'true'],
    [' "null"', 'null'],
  ])('%j is %j', (text, value) => {
    expect(scanValue(text)).toEqual({ ok: true, value });
  });

  test.each([
    [' a;b', 'has a ; in its value'],
    [' a#b', 'has a # in its value'],
    [';b', 'has a ; in its value'],
    [' a;b ; comment', 'has a ; in its value'],
    [' a\\;b', 'has a ; in its value'],
    [' "a', 'has no closing "'],
    [" 'a", "has no closing '"],
    [' "', 'has no closing "'],
    [' "a""', 'has no closing "'],
    [' "a\'', 'has no closing "'],
    [' "a"b', 'has something behind the closing "'],
    [' "a" b', 'has something behind the closing "'],
    [' "a";b', 'has something behind the closing "'],
    [' "a", "b"', 'has something behind the closing "'],
    [' a"', 'has a stray " in its value'],
    [" it's", "has a stray ' in its value"],
    [' a "b"', 'has a stray " in its value'],
    [' a "b ; c"', 'has a stray " in its value'],
    [' a\u00a0b', "can't be seen (U+00A0)"],
    [' \ufeffa', "can't be seen (U+FEFF)"],
    [' a\u200b', "can't be seen (U+200B)"],
    [' a\u2028b', "can't be seen (U+2028)"],
  ])('%j is refused', (text, message) => {
    expect(scanValue(text)).toEqual({ ok: false, message: expect.stringContaining(message) });
  });
});

describe('the environment', () => {
  const env = { A: 'one', EMPTY: '', TRICK: '"x" ; $(A) $$(', LINES: 'a\nb' };
  test.each([
    ['$(A)', 'one'],
    ['x$(A)$(A)y', 'xoneoney'],
    ['$(EMPTY)', ''],
    ['$(TRICK)', '"x" ; $(A) $$('],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$$(A)'],
    ['$A $ $1 (A) $', '$A $ $1 (A) $'],
  ])('%j is %j', (text, value) => {
    expect(expand(text, env)).toEqual({ ok: true, value });
  });

  test.each([
    ['$(NONE)', '$(NONE) is not set in the environment'],
    ['$(A)$(NONE)', '$(NONE) is not set in the environment'],
    ['$(__proto__)', '$(__proto__) is not set in the environment'],
    ['$(toString)', '$(toString) is not set in the environment'],
    ['$(A', 'has a "$(" that is not $(NAME)'],
    ['$()', 'has a "$(" that is not $(NAME)'],
    ['$(A B)', 'has a "$(" that is not $(NAME)'],
    ['$(LINES)', '$(LINES) holds a line break'],
  ])('%j is refused', (text, message) => {
    expect(expand(text, env)).toEqual({ ok: false, message: expect.stringContaining(message) });
  });
});
