import { describe, expect, test } from '@jest/globals';
import { errors, file, load } from '../support/config_text.js';

type Case = readonly [text: string, ...expected: string[]];

const syntax: readonly Case[] = [
  [file({ rest: 'x = 1' }), '8: [mount m] x: unknown key'],
  [`listen = :80\n${file({})}`, '1: listen: stands before the first [section]'],
  [file({ rest: 'path' }), '8: [mount m]: "path" has no "=": write key = value'],
  [file({ rest: 'root' }), '8: [mount m]: "root" has no "=": write key = value'],
  [file({ rest: 'root =' }), '8: [mount m] root: has no value'],
  [file({ rest: 'root = ; nothing' }), '8: [mount m] root: has no value'],
  [file({ rest: 'root = ""' }), '8: [mount m] root: has no value'],
  [file({ rest: 'root = $(EMPTY)' }), '8: [mount m] root: has no value'],
  [file({ rest: 'root = $(NONE)' }), '8: [mount m] root: $(NONE) is not set in the environment'],
  [
    file({ rest: 'root = /a;b' }),
    '8: [mount m] root: has a ; in its value: put the value in quotes if it belongs to it, or a space before it if it begins a comment',
  ],
  [
    file({ rest: 'root = /a"b' }),
    '8: [mount m] root: has a stray " in its value: put the whole value in quotes',
  ],
  [file({ rest: 'root = "/a' }), '8: [mount m] root: has no closing "'],
  [file({ rest: 'root = /a\nroot = /a' }), '9: [mount m] root: is already set in line 8'],
  [file({ rest: 'root = /a\n root=/b ;' }), '9: [mount m] root: is already set in line 8'],
  [file({ rest: 'root[] = /a' }), '8: [mount m] root[]: takes one value: write root ='],
  [
    file({ rest: 'type = a b/c' }),
    '8: [mount m] type: takes several values, each on its line: write type[] =',
  ],
  [file({ rest: 'indx = a' }), '8: [mount m] indx: unknown key; did you mean "index"?'],
  [file({ rest: 'Root = /a' }), '8: [mount m] Root: unknown key; did you mean "root"?'],
  [
    file({ rest: 'threads = 4' }),
    '8: [mount m] threads: unknown key here; it belongs in [volume NAME]',
  ],
  [
    file({ rest: 'listen = :1' }),
    '8: [mount m] listen: unknown key here; it belongs in [server] or [admin]',
  ],
  [file({ rest: '__proto__ = x' }), '8: [mount m] __proto__: unknown key'],
  [file({ rest: 'hasOwnProperty = x' }), '8: [mount m] hasOwnProperty: unknown key'],
  [file({ rest: '"root" = /a' }), '8: [mount m] "root": unknown key'],
  [file({ rest: '= /a' }), '8: [mount m]: "= /a" has no key before its "="'],
  [
    file({ rest: '[serve]\nx = 1\n"' }),
    '8: [serve]: unknown section; did you mean "server"?',
    '10: [serve]: """ has no "=": write key = value',
  ],
  [
    file({ rest: '[zzz]' }),
    '8: [zzz]: unknown section: there are server, admin, log, limits, cache, volume NAME, mount NAME',
  ],
  [file({ rest: '[__proto__]\na = 1' }), '8: [__proto__]: unknown section: there are'],
  [file({ rest: '[]' }), '8: []: unknown section: there are'],
  [file({ rest: '[log' }), '8: "[log" is not a section: write [section] or [section name]'],
  [file({ rest: '[log]]' }), '8: [log]: has something behind the closing bracket'],
  [file({ rest: '[log];c' }), '8: [log]: has something behind the closing bracket'],
  [file({ rest: '[log] level = info' }), '8: [log]: has something behind the closing bracket'],
  [file({ rest: '[log x]' }), '8: [log x]: takes no name: write [log]'],
  [file({ rest: '[mount]' }), '8: [mount]: needs a name: write [mount NAME]'],
  [
    file({ rest: '[mount a/b]' }),
    '8: [mount a/b]: "a/b" is not a name: letters, digits, _, and behind the first also . and -',
  ],
  [file({ rest: '[mount "a"]' }), '8: [mount "a"]: ""a"" is not a name'],
  [
    file({ rest: '[log]\nlevel = info\n[log]\nlevel = warn' }),
    '10: [log]: the section already begins in line 8: put all its keys there',
    '11: [log] level: is already set in line 9',
  ],
  [
    file({ rest: '[volume  v] ; again' }),
    '8: [volume v]: the section already begins in line 3: put all its keys there',
  ],
  [file({ rest: '; \0' }), '8: holds a NUL byte'],
  [file({ rest: 'root = "/\x07"' }), '8: holds a control character (U+0007)'],
  [file({ rest: '; a\rroot = /b' }), '8: holds a control character (U+000D)'],
  [file({ rest: '\ufeff[log]' }), '8: [mount m]: "\ufeff[log]" has no "="'],
];

const together: readonly Case[] = [
  [
    '',
    ' [server] listen[]: is missing',
    ' there is no [volume NAME] section; at least one is needed',
    ' there is no [mount NAME] section; at least one is needed',
  ],
  [file({ server: 'workers = 1' }), '1: [server] listen[]: is missing'],
  [
    file({ server: 'listen[] = :80\nlisten[] = :x\nlisten[] = :y' }),
    '3: [server] listen[]: "x" is not a port from 1 to 65535',
    '4: [server] listen[]: "y" is not a port from 1 to 65535',
  ],
  [
    file({ server: 'listen[] = a:80\nlisten[] = A:80' }),
    '3: [server] listen[]: is the same address as in line 2',
  ],
  [
    file({ server: 'listen[] = unix:/s\nworkers = 2' }),
    "2: [server] listen[]: needs %w, the worker's number, in its path, or else workers = 1",
  ],
  [
    file({ rest: '[cache]\nsize = 0\nvalid = 1s\nmax-object = 1M' }),
    '10: [cache] valid: has no effect with size = 0',
    '11: [cache] max-object: has no effect with size = 0',
  ],
  [
    file({ rest: '[cache]\nsize = 1\nmax-object = 2G\nvalid = 2d' }),
    '10: [cache] max-object: "2G" is not a size between 1 and 1G',
    '11: [cache] valid: "2d" is not a time: write a whole number and ms, s, m or h, such as 10s',
  ],
  [file({ server: 'listen[] = unix:/s' }), '2: [server] listen[]: needs %w'],
  [
    file({ rest: '[admin]\nlisten = :8080' }),
    '9: [admin] listen: is the same address as in line 2',
  ],
  [
    file({ rest: '[admin]\nlisten = unix:/a-%w' }),
    '9: [admin] listen: has %w in its path, but no worker listens there',
  ],
  [
    file({ server: 'listen[] = :80\ncapabilities = net_bind_servce' }),
    '3: [server] capabilities: "net_bind_servce" is not one of net_bind_service; did you mean "net_bind_service"?',
  ],
  [
    file({ server: 'listen[] = :80\ncapabilities = net_bind_service, sys_admin' }),
    '3: [server] capabilities: "sys_admin" is not one of net_bind_service',
  ],
  [file({ server: 'listen[] = :80\nworkers = 257' }), '3: [server] workers: "257" is not'],
  [
    file({ volume: 'volfile = /x\nservers = a' }),
    "4: [volume v] volfile: can't be set together with servers",
  ],
  [file({ volume: 'threads = 1' }), '3: [volume v]: servers is missing, or volfile in its place'],
  [
    file({ rest: '[volume a.b]\nvolfile = /x' }),
    '8: [volume a.b]: "a.b" can\'t be a volume\'s name on the cluster: set volname',
  ],
  [
    file({ volume: 'servers = a\nlog-level = info' }),
    '5: [volume v] log-level: has no effect without log-file',
  ],
  [file({ mount: 'volume = v' }), '5: [mount m] path: is missing'],
  [file({ mount: 'path = /' }), '5: [mount m] volume: is missing'],
  [
    file({ mount: 'path = /\nvolume = w' }),
    '7: [mount m] volume: there is no [volume w]; did you mean "v"?',
  ],
  [file({ mount: 'path = /\nvolume = other' }), '7: [mount m] volume: there is no [volume other]'],
  [
    file({ rest: '[mount n]\nvolume = v\npath = /' }),
    '10: [mount n] path: [mount m] already has / for every host, in line 6',
  ],
  [
    file({
      rest: '[mount n]\nvolume = v\npath = /\nhost = a.org\n[mount o]\nvolume = v\npath = /\nhost = b.org, A.org',
    }),
    '14: [mount o] path: [mount n] already has / for a.org, in line 10',
  ],
  [
    file({ rest: 'type[] = a b/c\ntype[] = A d/e' }),
    '9: [mount m] type[]: "*.a" already has its rule in line 8',
  ],
  [
    file({ rest: 'cache-control[] = *.a b\ncache-control[] = *.A b\ncache-control[] = *.a c' }),
    '10: [mount m] cache-control[]: "*.a" already has its rule in line 8',
  ],
  [
    file({ rest: 'rewrite[] = ^/a /b\nrewrite[] = ^/a /c' }),
    '9: [mount m] rewrite[]: "^/a" already has its rule in line 8',
  ],
  [
    file({ rest: 'redirect[] = ^/a /b\nredirect[] = ^/a /b 301\nredirect[] = ^/a /c' }),
    '9: [mount m] redirect[]: "^/a" already has its rule in line 8',
    '10: [mount m] redirect[]: "^/a" already has its rule in line 8',
  ],
  [
    file({ rest: 'header[] = X-A: 1\nheader[] = x-a:' }),
    '9: [mount m] header[]: x-a is set in line 8',
  ],
  [
    file({ rest: 'header[] = X-A:\nheader[] = x-a: 1\nheader[] = X-B: 1' }),
    '9: [mount m] header[]: x-a is removed in line 8',
  ],
  [
    file({ rest: 'header[] = Link: a\nheader[] = Link: b\nheader[] = link: a' }),
    '10: [mount m] header[]: is the same as line 8',
  ],
  [
    file({ rest: 'error-page[] = 404 /a\nerror-page[] = 403 404 /b' }),
    '9: [mount m] error-page[]: 404 already has its page in line 8',
  ],
  [
    file({ rest: 'error-page[] = 404 404 /a' }),
    '8: [mount m] error-page[]: 404 already has its page in line 8',
  ],
  [
    file({ rest: 'fallback = /.meta/a\nerror-page[] = 404 /a\nerror-page[] = 403 /.shard/a' }),
    '8: [mount m] fallback: "/.meta/a" is in /.meta, which GlusterFS keeps for itself',
    '10: [mount m] error-page[]: "/.shard/a" is in /.shard, which GlusterFS keeps for itself',
  ],
];

describe.each([
  ['syntax', syntax],
  ['together', together],
])('errors of %s', (_, cases) => {
  test.each(cases.map(([text, ...expected]) => [expected[0], text, expected] as const))(
    '%s',
    (__, text, expected) => {
      const found = errors(text);
      expect(found).toHaveLength(expected.length);
      for (const [index, message] of expected.entries()) {
        expect(found[index]).toContain(`server.ini:${message}`);
      }
    },
  );
});

describe('errors', () => {
  test('come all at once, in the order of the lines', () => {
    const text = file({
      server: 'listen = :80',
      volume: 'threads = x\nservers = a,,b\npath = /',
      mount: 'pth = /\nvolume = w\nroot = "',
    });
    expect(errors(text)).toEqual([
      'server.ini:2: [server] listen: takes several values, each on its line: write listen[] =',
      'server.ini:4: [volume v] threads: "x" is not a whole number between 1 and 64',
      'server.ini:5: [volume v] servers: "a,,b" has an empty item between its commas',
      'server.ini:6: [volume v] path: unknown key here; it belongs in [mount NAME]',
      'server.ini:7: [mount m] path: is missing',
      'server.ini:8: [mount m] pth: unknown key; did you mean "path"?',
      'server.ini:9: [mount m] volume: there is no [volume w]; did you mean "v"?',
      'server.ini:10: [mount m] root: has no closing "',
    ]);
  });

  test('have their parts apart', () => {
    const result = load(file({ rest: 'type = a' }));
    expect(result).toEqual({
      ok: false,
      errors: [
        {
          file: 'server.ini',
          line: 8,
          section: 'mount m',
          key: 'type',
          message: 'takes several values, each on its line: write type[] =',
        },
      ],
    });
  });

  test('of a value do not make others that depend on it', () => {
    expect(errors(file({ server: 'listen[] = unix:/s\nworkers = 1"' }))).toHaveLength(1);
    expect(errors(file({ server: 'listen[] = unix:/s\nworkers = x' }))).toHaveLength(1);
    expect(errors(file({ volume: 'servers = "' }))).toHaveLength(1);
    expect(errors('[server]\nlisten[] = :1\n[volume]\n[mount]\n')).toHaveLength(2);
  });
});
