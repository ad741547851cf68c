import { describe, expect, test } from '@jest/globals';
import { loadConfigText } from '../../src/config/load.js';
import { formatConfigError } from '../../src/config/types.js';
import { compileRules, type Rules } from '../../src/http/rules.js';
import { mountConfig } from '../support/mount_config.js';

/** The rules of a mount whose section has these lines. */
function rules(...lines: string[]): Rules {
  const mount = ['[mount m]', 'path = /', 'volume = v', ...lines];
  const text = ['[server]', 'listen[] = :80', '[volume v]', 'servers = a', ...mount].join('\n');
  const result = loadConfigText(text, 'f', {});
  if (!result.ok) throw new Error(result.errors.map(formatConfigError).join('\n'));
  const [config] = result.config.mounts;
  if (!config) throw new Error('no mount');
  return compileRules(config);
}

const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
const none = { host: '', args: '' };

describe('redirect', () => {
  type Case = readonly [rule: string, path: string, args: string, location: string | null];
  const cases: readonly Case[] = [
    ['^/old/(.*)$ /new/$1', '/old/a/b', '', '/new/a/b'],
    ['^/old/(.*)$ /new/$1', '/older', '', null],
    ['^/old/(.*)$ /new/$1', '/old/a', 'x=1&y', '/new/a?x=1&y'],
    ['/b/ /new', '/a/b/c', '', '/new'],
    ['^/a$ /b?c=d', '/a', 'x=1', '/b?c=d'],
    ['^/a$ /b?', '/a', 'x=1', '/b'],
    ['^/a$ /b?x=y&$args', '/a', 'c=d', '/b?x=y&c=d'],
    ['^/a$ /b?$args', '/a', '', '/b'],
    ['"^/a$ /b#top"', '/a', 'x=1', '/b?x=1#top'],
    ['"^/a$ /b#?"', '/a', 'x=1', '/b?x=1#?'],
    [
      '^/a/(.*)$ https://b.example/$1',
      bytes('/a/c d/é'),
      'q=%20',
      'https://b.example/c%20d/%C3%A9?q=%20',
    ],
    ['^/ https://b.example:8443', '/a', '', 'https://b.example:8443'],
    ['^/ https://b.example', '/a', 'x', 'https://b.example?x'],
    ['^/ https://$host$uri', '/a/\xff%', 'x=1', 'https://www.example.org/a/%FF%25?x=1'],
    ['^/ https://$host:8443/', '/a', '', 'https://www.example.org:8443/'],
    ['^/~([^/]+)/(.*)$ https://$1.b.example/$2', '/~me/x', '', 'https://me.b.example/x'],
    [
      '^/~([^/]+)/ https://$1.b.example/',
      '/~evil.example:1@x/',
      '',
      'https://evil.example%3A1%40x.b.example/',
    ],
    ['^/(.*)$ /search?q=$1', '/a&b=c/d #?+', '', '/search?q=a%26b%3Dc/d%20%23%3F%2B'],
    ['^/(.*)$ /$1', '/a?b#c', '', '/a%3Fb%23c'],
    ['^/x(.*)$ $1', '/x//a', '', '/a'],
    ['^/x(.*)$ /$1', '/x/evil.example', '', '/evil.example'],
    ['^/x(.*)$ /$1', '/x\\evil.example', '', '/%5Cevil.example'],
    ['^/x(.*)$ $1', '/x\\/evil.example', '', '/%5C/evil.example'],
    ['^/(.*)$ $1', '/https://evil.example', '', '/https://evil.example'],
    ['^/(a)(b)?(c)$ /$1/$2/$3', '/ac', '', '/a//c'],
    ['^/a$ /$args', '/a', '/evil.example', '/evil.example?/evil.example'],
    ['^/a$ /$args', '/a', 'b?c#d\\', '/b%3Fc%23d%5C?b?c%23d\\'],
    ['^/a$ /$host', '/a', '', '/www.example.org'],
    ['^/a$ /$$1', '/a', '', '/$1'],
    ['^/a$ /ü%20<b>', '/a', '', '/%C3%BC%20%3Cb%3E'],
    ['^/(ü)(.)$ /$2', bytes('/ü€'), '', '/%E2%82%AC'],
    ['^/(.)(.)$ /$2/$1', '/\xfe\xff', '', '/%FF/%FE'],
    ['(?i)^/ÄRA$ /b', bytes('/ära'), '', '/b'],
    ['^/a.b$ /c', '/a\nb', '', '/c'],
    ['^/a$ /b', '/a\n', '', null],
    ['^/(?P<y>[0-9]{4})/(.*)$ /$2?y=$1', '/2024/x', '', '/x?y=2024'],
  ];
  test.each(cases)('%s of %j?%s is %j', (rule, path, args, location) => {
    const found = rules(`redirect[] = ${rule.startsWith('"') ? rule : `"${rule}"`}`);
    const variables = { host: 'WWW.example.org.:80', args };
    expect(found.redirect(path, variables)?.location ?? null).toBe(location);
  });

  test('the first that matches, with its status; - ends the search', () => {
    const found = rules(
      'redirect[] = ^/keep/ -',
      'redirect[] = ^/(.*)\\.php$ /$1.html 308',
      'redirect[] = ^/ /other',
    );
    expect(found.redirect('/keep/a.php', none)).toBeNull();
    expect(found.redirect('/a.php', none)).toEqual({ status: 308, location: '/a.html' });
    expect(found.redirect('/a.txt', none)).toEqual({ status: 302, location: '/other' });
  });

  test('needs the host only for $host', () => {
    expect(rules().needsHost).toBe(false);
    expect(rules('redirect[] = ^/(.) /$1$uri$args', 'rewrite[] = ^/a -').needsHost).toBe(false);
    expect(rules('redirect[] = ^/ https://$host/').needsHost).toBe(true);
    expect(rules('rewrite[] = ^/ /$host$uri').needsHost).toBe(true);
  });
});

describe('rewrite', () => {
  const ok = (path: string) => ({ ok: true, path });
  const bad = { ok: false, code: 'GFS_BAD_PATH' };
  test.each([
    ['^/old/(.*)$ /new/$1', '/old/a b', ok('/new/a b')],
    ['^/old/(.*)$ /new/$1', '/x', null],
    ['^/x(.*)$ $1', '/xa', ok('/a')],
    ['^/x(.*)$ $1', '/x', ok('/')],
    ['^/x/(.*)$ /$1/../b', '/x/a', ok('/b')],
    ['^/x/(.*)$ /$1//b/./', '/x/a', ok('/a/b/')],
    ['^/x/(.*)$ /../$1', '/x/a', bad],
    ['^/x(.)$ /.$1', '/x.', bad],
    ['^/ /$host$uri', '/a', ok('/www.example.org/a')],
    ['^/x /$args', '/x', ok('/q=%20')],
    ['^/(.*)$ /ü/$1', '/\xff', ok(`${bytes('/ü/')}\xff`)],
    ['^/a -', '/a', null],
    ['^/a $uri', '/a', null],
    ['^/a /a', '/a', null],
    ['^/(.*)$ /$1$1', `/${'x'.repeat(3000)}`, { ok: false, code: 'GFS_URI_TOO_LONG' }],
  ])('%s of %j', (rule, path, expected) => {
    const variables = { host: 'www.example.org', args: 'q=%20' };
    expect(rules(`rewrite[] = ${rule}`).rewrite(path, variables)).toEqual(expected);
  });

  test('a host that is a dot segment stays in its folder', () => {
    const found = rules('rewrite[] = ^/ /sites/$host/$uri');
    for (const host of ['..', '...', './..', '../..', '.git', '/', '']) {
      const result = found.rewrite('/a', { host, args: '' });
      expect(result).toMatchObject({
        ok: true,
        path: expect.stringMatching(/^\/sites\/[^./]+\/a$/),
      });
    }
  });

  test('the first that matches; - ends the search', () => {
    const found = rules('rewrite[] = ^/a/keep -', 'rewrite[] = ^/a /b', 'rewrite[] = ^/ /c');
    expect(found.rewrite('/a/keep/x', none)).toBeNull();
    expect(found.rewrite('/a/x', none)).toEqual(ok('/b'));
    expect(found.rewrite('/x', none)).toEqual(ok('/c'));
  });
});

test('cache-control: the first glob that matches', () => {
  const found = rules(
    'cache-control[] = sw.js no-cache',
    'cache-control[] = /assets/** max-age=1',
    'cache-control[] = *.{js,css} max-age=2',
  );
  expect(found.cacheControl('/a/sw.js')).toBe('no-cache');
  expect(found.cacheControl('/assets/a/b.js')).toBe('max-age=1');
  expect(found.cacheControl('/a.js')).toBe('max-age=2');
  expect(found.cacheControl('/a.html')).toBeNull();
  expect(rules().cacheControl('/a.html')).toBeNull();
});

test('a rule that no configuration lets through is a bug', () => {
  const config = mountConfig({ rewrites: [{ pattern: '(?!a)', target: '/' }] });
  expect(() => compileRules(config)).toThrow('let through');
});
