import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compileGlob } from '../../src/config/globs.js';
import { firstGlob } from '../../src/http/glob.js';
import { createTypes, extensionOf } from '../../src/http/types.js';

const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

describe('globs', () => {
  test.each([
    ['*.js', '/a/b.js', true],
    ['*.js', '/a.js/b', false],
    ['*.js', '/.js', true],
    ['*.js', '/a.JS', false],
    ['*', '/a/b.c', true],
    ['*', '/a/', true],
    ['*?', '/a/', false],
    ['a.txt', '/b/a.txt', true],
    ['a.txt', '/b/aatxt', false],
    ['a*c', '/abbc', true],
    ['a?c', '/abc', true],
    ['a?c', '/ac', false],
    ['a?c', bytes('/aüc'), true],
    ['a?c', '/a\xffc', true],
    ['ü*', bytes('/ü!'), true],
    ['[abc]x', '/bx', true],
    ['[abc]x', '/dx', false],
    ['[!a-c]x', '/dx', true],
    ['[^a-c]x', '/bx', false],
    ['[]a]x', '/]x', true],
    ['[.]x', '/ax', false],
    ['[a\\]x', '/\\x', true],
    ['{a,b*}.js', '/bcd.js', true],
    ['{a,b*}.js', '/c.js', false],
    ['{a,{b,c}}x', '/cx', true],
    ['a,b', '/a,b', true],
    ['\\*', '/*', true],
    ['\\*', '/a', false],
    ['a+(b)$', '/a+(b)$', true],
    ['/a/*', '/a/b', true],
    ['/a/*', '/a/b/c', false],
    ['/a/*', '/x/a/b', false],
    ['/a/**', '/a/b/c', true],
    ['/a/**', '/a', false],
    ['/a/**/c', '/a/c', true],
    ['/a/**/c', '/a/b/b/c', true],
    ['/a/**/c', '/a/bc', false],
    ['**/c', '/a/c', true],
    ['**/c', '/c', true],
    ['/a?b', '/a/b', false],
    ['/a[!x]b', '/a/b', false],
    ['/a/*.js', '/a/\n.js', true],
    ['/m/*', '/a', false],
  ])('%s and %j: %s', (glob, path, matches) => {
    expect(firstGlob([glob], { prefix: '', ignoreCase: false })(path)).toBe(matches ? 0 : -1);
  });

  test('see the path with its mount', () => {
    const glob = firstGlob(['/foo/*.js', 'foo'], { prefix: '/foo', ignoreCase: false });
    expect(glob('/a.js')).toBe(0);
    expect(glob('')).toBe(1);
    expect(glob('/foo/a.js')).toBe(-1);
  });

  test('may ignore case, whichever way they are compared', () => {
    for (const text of ['*.Js', '*.[J]s', 'a.jS', '/A.js']) {
      expect(firstGlob([text], { prefix: '', ignoreCase: true })('/a.JS')).toBe(0);
    }
  });

  test('the short way of comparing says what the pattern says', () => {
    const text = fc.array(fc.constantFrom('*', 'a', '.', 'B', 'é', '+'), {
      maxLength: 4,
      minLength: 1,
    });
    fc.assert(
      fc.property(text, text, fc.boolean(), (glob, name, ignoreCase) => {
        const compiled = compileGlob(glob.join(''), ignoreCase);
        if (!compiled.ok || !compiled.value.simple) return;
        const match = firstGlob([glob.join('')], { prefix: '', ignoreCase });
        const expected = compiled.value.pattern.testExact(name.join(''));
        expect(match(`/${bytes(name.join(''))}`) === 0).toBe(expected);
      }),
    );
  });

  test('one that no configuration lets through is a bug', () => {
    expect(() => firstGlob(['['], { prefix: '', ignoreCase: false })).toThrow('without its ]');
  });
});

describe('types', () => {
  test.each([
    ['/a/b.TXT', 'txt'],
    ['/a.b/c', ''],
    ['/.profile', ''],
    ['/a.tar.gz', 'gz'],
    ['/a.', ''],
  ])('the extension of %s is "%s"', (path, extension) => {
    expect(extensionOf(path)).toBe(extension);
  });

  test.each([
    ['/a.html', 'text/html; charset=utf-8'],
    ['/a.mjs', 'text/javascript; charset=utf-8'],
    ['/a.json', 'application/json; charset=utf-8'],
    ['/a.svg', 'image/svg+xml; charset=utf-8'],
    ['/a.xml', /xml; charset=utf-8$/],
    ['/a.woff2', 'font/woff2'],
    ['/a.own', 'text/x-own; charset=utf-8'],
    ['/a.OWN', 'text/x-own; charset=utf-8'],
    ['/a.constructor', 'application/octet-stream'],
    ['/a', 'application/octet-stream'],
  ])('%s is %s', (path, type) => {
    const types = createTypes([{ glob: '*.Own', type: 'text/x-own' }], 'utf-8');
    if (typeof type === 'string') expect(types.of(path)).toBe(type);
    else expect(types.of(path)).toMatch(type);
  });

  test('without a charset the type stands alone', () => {
    expect(createTypes([], null).of('/a.html')).toBe('text/html');
  });

  test('the first glob wins, and what none matches has its built-in type', () => {
    const rules = [
      { glob: '/app/api/**', type: 'application/json' },
      { glob: '*.tar.gz', type: 'application/x-tgz' },
      { glob: '*.gz', type: 'application/x-own' },
      { glob: '[M]akefile', type: 'text/x-makefile' },
    ];
    const types = createTypes(rules, 'utf-8', '/app');
    expect(types.of('/api/a.gz')).toBe('application/json; charset=utf-8');
    expect(types.of('/a.tar.gz')).toBe('application/x-tgz');
    expect(types.of('/a.GZ')).toBe('application/x-own');
    expect(types.of('/d/makefile')).toBe('text/x-makefile; charset=utf-8');
    expect(types.of('/a.html')).toBe('text/html; charset=utf-8');
    expect(types.of('/a.html')).toBe('text/html; charset=utf-8');
  });
});
