import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { redirectRule, rewriteRule } from '../../src/config/rules.js';
import type { RedirectRule, RewriteRule } from '../../src/config/types.js';
import type { ValueType } from '../../src/config/values.js';
import { encodePath, parsePath } from '../../src/http/path.js';
import { compileRules } from '../../src/http/rules.js';
import { mountConfig } from '../support/mount_config.js';

/** Bytes as parsePath gives them, rich in what URLs and headers find special. */
const path = fc
  .array(
    fc.oneof(
      fc.constantFrom(...'/\\.:@?#%&;="<> \r\n\t\x01\x7f\xc3\xa9\xff', '..', '//', 'evil.example'),
      fc.constantFrom('http:', 'https://', '%2f', '%5c', 'a', 'b/'),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parsePath(encodePath(`/${parts.join('')}`)))
  .filter((result) => result.ok)
  .map((result) => result.path);

const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc
    .array(fc.constantFrom(...'/\\.:@?#%[]\r\n\t \0', '..', 'evil.example', '//'), { maxLength: 8 })
    .map((parts) => parts.join('')),
);
const variables = fc.record({ host: hostile, args: hostile });

const pattern = fc.constantFrom('^(.*)$', '^/(.*)$', '^/([^/]*)(.*)$', '^/(.)?(.*)$', '(.?)$');
/** Behind the beginning of a target. */
const tail = fc
  .array(
    fc.constantFrom(
      '/',
      '.',
      '..',
      '?',
      '#',
      'a',
      'é',
      ':',
      '@',
      '%2F',
      '$$',
      '$1',
      '$host',
      '$uri',
      '$args',
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''));

function parsed<T>(type: ValueType<T>, text: string): T | null {
  const result = type.parse(text);
  return result.ok ? result.value : null;
}

const redirectTo = (...starts: string[]) =>
  fc
    .tuple(pattern, fc.constantFrom(...starts), tail)
    .map((parts) => parsed(redirectRule, `${parts[0]} ${parts[1]}${parts[2]}`))
    .filter((rule): rule is RedirectRule => rule !== null);

const local = redirectTo('/', '$1', '$uri', '/a', '/$1', '/.', '/./');
const away = redirectTo(
  'https://www.example',
  'http://$host',
  'https://$1.b.example',
  'http://b:80',
);

const numRuns = 2000;

describe('whatever a request says', () => {
  test('a Location is printable ASCII', () => {
    fc.assert(
      fc.property(fc.oneof(local, away), path, variables, (rule, where, request) => {
        const found = compileRules(mountConfig({ redirects: [rule] })).redirect(where, request);
        expect(found?.location ?? '').toMatch(/^[!-~]*$/);
      }),
      { numRuns },
    );
  });

  test('a target that is a path stays on this host', () => {
    fc.assert(
      fc.property(local, path, variables, (rule, where, request) => {
        const found = compileRules(mountConfig({ redirects: [rule] })).redirect(where, request);
        if (!found) return;
        expect(found.location).toMatch(/^\/(?![/\\])/);
        expect(new URL(found.location, 'http://a.test/x').host).toBe('a.test');
      }),
      { numRuns },
    );
  });

  test('a target with a host leads there', () => {
    const fixed = redirectTo(
      'https://www.example/',
      'https://www.example$uri',
      'https://www.example?',
    );
    fc.assert(
      fc.property(fixed, path, variables, (rule, where, request) => {
        const found = compileRules(mountConfig({ redirects: [rule] })).redirect(where, request);
        if (found) expect(new URL(found.location).host).toBe('www.example');
      }),
      { numRuns },
    );
  });

  test('a domain in a target stays its end', () => {
    const below = redirectTo('https://$1.b.example/', 'https://x$1.b.example?');
    fc.assert(
      fc.property(below, path, variables, (rule, where, request) => {
        const found = compileRules(mountConfig({ redirects: [rule] })).redirect(where, request);
        if (!found || !URL.canParse(found.location)) return;
        expect(new URL(found.location).hostname).toMatch(/\.b\.example$/);
      }),
      { numRuns },
    );
  });

  test('a rewritten path is normalised, or refused', () => {
    const rewrite = fc
      .tuple(pattern, fc.constantFrom('/', '$1', '$uri', '/a/../', '/./'), tail)
      .map((parts) => parsed(rewriteRule, `${parts[0]} ${parts[1]}${parts[2]}`))
      .filter((rule): rule is RewriteRule => rule !== null);
    fc.assert(
      fc.property(rewrite, path, variables, (rule, where, request) => {
        const result = compileRules(mountConfig({ rewrites: [rule] })).rewrite(where, request);
        if (!result?.ok) return;
        expect(result.path).toMatch(/^\/[\0-\xff]*$/);
        expect(result.path).not.toMatch(/\/\/|\/\.{1,2}(?:\/|$)|\0/);
        expect(result.path).not.toBe(where);
        expect(parsePath(encodePath(result.path))).toEqual(result);
      }),
      { numRuns },
    );
  });
});

describe('matching takes time linear in the path', () => {
  /** The fastest of several, in ms: what else the machine does only ever adds to it. */
  function cost(rule: string, path: string): number {
    const redirect = parsed(redirectRule, `${rule} /`);
    if (!redirect) throw new Error(`${rule} is refused`);
    const rules = compileRules(mountConfig({ redirects: [redirect] }));
    const times = Array.from({ length: 7 }, () => {
      const started = performance.now();
      for (let i = 0; i < 20; i++) rules.redirect(path, { host: '', args: '' });
      return performance.now() - started;
    });
    return Math.min(...times);
  }

  // A backtracking engine takes 4 times as long for the twofold with the mildest of them, and never ends with the others.
  test.each(['^(/a*)*$', '^/(a+)+$', '^/(a|aa)+$', '^/(.*a){12}$', '(x+x+)+y', '^/(.*)*b$'])(
    '%s',
    (rule) => {
      const path = (length: number): string =>
        `/${'a'.repeat(length / 2)}${'x'.repeat(length / 2)}!`;
      expect(cost(rule, path(4000))).toBeLessThan(8 * cost(rule, path(2000)) + 5);
    },
  );
});
