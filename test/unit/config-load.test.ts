import { availableParallelism } from 'node:os';
import { describe, expect, test } from '@jest/globals';
import { loadConfigText } from '../../src/config/load.js';
import { type Config, formatConfigError, type LoadResult } from '../../src/config/types.js';

const minimal = {
  server: 'listen[] = :8080',
  volume: 'servers = 192.0.2.1',
  mount: 'path = /\nvolume = v',
};

/** A file that is right in all but what the test puts into it. */
function file(parts: Partial<typeof minimal> & { readonly rest?: string }): string {
  const all = { rest: '', ...minimal, ...parts };
  return `[server]\n${all.server}\n[volume v]\n${all.volume}\n[mount m]\n${all.mount}\n${all.rest}`;
}

const env = { HOST: '192.0.2.9', EMPTY: '' };
const load = (text: string): LoadResult => loadConfigText(text, 'server.ini', env);

function loaded(text: string): Config {
  const result = load(text);
  if (!result.ok) throw new Error(result.errors.map(formatConfigError).join('\n'));
  return result.config;
}

function errors(text: string): string[] {
  const result = load(text);
  return result.ok ? [] : result.errors.map(formatConfigError);
}

describe('a right file', () => {
  test('has the defaults that the design names', () => {
    expect(loaded(file({}))).toEqual({
      file: 'server.ini',
      server: {
        listen: [{ kind: 'tcp', host: '', port: 8080, text: ':8080' }],
        workers: availableParallelism(),
        trustedProxies: [],
        user: null,
        group: null,
        pidFile: null,
      },
      admin: { listen: null },
      log: { access: { kind: 'stdout' }, format: 'combined', level: 'info' },
      limits: {
        requestTimeoutMs: 10_000,
        sendTimeoutMs: 60_000,
        drainTimeoutMs: 30_000,
        maxHeaderSize: 16_384,
        maxQueue: 1024,
      },
      cache: {
        sizeBytes: 256 * 1024 ** 2,
        maxObjectBytes: 2 * 1024 ** 2,
        validMs: 1000,
        negativeMs: 1000,
        staleIfErrorMs: 600_000,
      },
      volumes: [
        {
          name: 'v',
          volname: 'v',
          servers: [{ transport: 'tcp', host: '192.0.2.1', port: 24_007, text: '192.0.2.1' }],
          volfile: null,
          threads: 8,
          pingTimeoutSeconds: 10,
          invalidate: 'upcall',
          xlatorOptions: [],
          logFile: null,
          logLevel: 'warning',
        },
      ],
      mounts: [
        {
          name: 'm',
          path: '/',
          hosts: [],
          volume: 'v',
          root: '/',
          index: ['index.html'],
          autoindex: 'off',
          precompressed: [],
          compress: [],
          compressTypes: expect.arrayContaining(['text/*', 'application/json']),
          compressMinBytes: 1024,
          fallback: null,
          symlinks: 'inside',
          hidden: 'deny',
          rewrites: [],
          redirects: [],
          headers: [],
          cacheControl: [],
          errorPages: [],
          types: [],
          charset: null,
        },
      ],
      warnings: [],
    });
  });

  test('has what it says', () => {
    const config = loaded(
      [
        '\ufeff; a comment\r',
        '# another',
        '  [server]  ; a comment',
        'listen[] = 127.0.0.1:80\r',
        'listen[]=unix:/run/w-%w',
        'workers = 3 ; three',
        'trusted-proxies = 127.0.0.1, FD00::/8, unix:',
        '[admin]',
        'listen = [::1]:9145',
        '[log]',
        'access = /var/log/a',
        'format = json',
        'level = debug',
        '[limits]',
        'request-timeout = 500ms',
        'send-timeout = 2m',
        'drain-timeout = 0',
        'max-header-size = 8K',
        'max-queue = 7',
        '[cache]',
        'size = 1G',
        'max-object = 4M',
        'valid = 10m',
        'negative = 0',
        'stale-if-error = 12h',
        '[volume a.b]',
        'volname = ab',
        'volfile = "/etc/a b;c.vol"',
        'threads = 64',
        'ping-timeout = 4000ms',
        'invalidate = off',
        'xlator-option[] = *-client-*.event-threads=2',
        'xlator-option[] = \'*.x="y"\'',
        'log-file = /var/log/v',
        'log-level = trace',
        '[ mount   example.org ]',
        'path = "/true"',
        'host = Example.org, *.EXAMPLE.org',
        'volume = a.b',
        'root = /ht docs',
        'index = a.html, b.html',
        'autoindex = json',
        'precompressed = br, gzip',
        'compress = gzip',
        'compress-types = text/*, Image/SVG+xml',
        'compress-min-size = 0',
        'fallback = /app/index.html',
        'symlinks = follow',
        'hidden = allow',
        'rewrite[] = "^/(.*)\\.php$ /$1.html"',
        'redirect[] = ^/a(.)$ https://$host/$1 301',
        'redirect[] = ^/b /c',
        'header[] = X-Content-Type-Options: nosniff',
        'header[] = ETag:',
        'cache-control[] = *.js public, max-age=3600',
        'error-page[] = 404 403 /not found.html',
        'type[] = Wasm application/wasm',
        'type[] = /data/** text/plain',
        'charset = utf-8',
      ].join('\n'),
    );
    expect(config.server).toMatchObject({
      workers: 3,
      trustedProxies: ['127.0.0.1', 'fd00::/8', 'unix:'],
    });
    expect(config.server.listen.map(({ text }) => text)).toEqual([
      '127.0.0.1:80',
      'unix:/run/w-%w',
    ]);
    expect(config.admin.listen).toMatchObject({ kind: 'tcp', host: '::1', port: 9145 });
    expect(config.log).toEqual({
      access: { kind: 'file', path: '/var/log/a' },
      format: 'json',
      level: 'debug',
    });
    expect(config.limits).toEqual({
      requestTimeoutMs: 500,
      sendTimeoutMs: 120_000,
      drainTimeoutMs: 0,
      maxHeaderSize: 8192,
      maxQueue: 7,
    });
    expect(config.cache).toEqual({
      sizeBytes: 1024 ** 3,
      maxObjectBytes: 4 * 1024 ** 2,
      validMs: 600_000,
      negativeMs: 0,
      staleIfErrorMs: 43_200_000,
    });
    expect(config.volumes).toEqual([
      {
        name: 'a.b',
        volname: 'ab',
        servers: [],
        volfile: '/etc/a b;c.vol',
        threads: 64,
        pingTimeoutSeconds: 4,
        invalidate: 'off',
        xlatorOptions: [
          { xlator: '*-client-*', key: 'event-threads', value: '2' },
          { xlator: '*', key: 'x', value: '"y"' },
        ],
        logFile: '/var/log/v',
        logLevel: 'trace',
      },
    ]);
    expect(config.mounts).toEqual([
      {
        name: 'example.org',
        path: '/true',
        hosts: ['example.org', '*.example.org'],
        volume: 'a.b',
        root: '/ht docs',
        index: ['a.html', 'b.html'],
        autoindex: 'json',
        precompressed: ['br', 'gzip'],
        compress: ['gzip'],
        compressTypes: ['text/*', 'image/svg+xml'],
        compressMinBytes: 0,
        fallback: '/app/index.html',
        symlinks: 'follow',
        hidden: 'allow',
        rewrites: [{ pattern: '^/(.*)\\.php$', target: '/$1.html' }],
        redirects: [
          { pattern: '^/a(.)$', target: 'https://$host/$1', status: 301 },
          { pattern: '^/b', target: '/c', status: 302 },
        ],
        headers: [
          { name: 'X-Content-Type-Options', value: 'nosniff' },
          { name: 'ETag', value: '' },
        ],
        cacheControl: [{ glob: '*.js', value: 'public, max-age=3600' }],
        errorPages: [{ statuses: [404, 403], path: '/not found.html' }],
        types: [
          { glob: '*.Wasm', type: 'application/wasm' },
          { glob: '/data/**', type: 'text/plain' },
        ],
        charset: 'utf-8',
      },
    ]);
  });

  test('has several volumes and mounts in their order, names with dots and all', () => {
    const config = loaded(
      file({
        rest: '[volume __proto__]\nvolfile = /x\n[volume 2]\nvolfile = /y\n[mount a.__proto__.b]\npath = /a\nvolume = __proto__\n[mount a]\npath = /b\nvolume = 2',
      }),
    );
    expect(config.volumes.map(({ name }) => name)).toEqual(['v', '__proto__', '2']);
    expect(config.mounts.map(({ name }) => name)).toEqual(['m', 'a.__proto__.b', 'a']);
  });

  test.each(['true', 'false', 'null', 'constructor', 'toString'])('keeps the word %s', (word) => {
    const config = loaded(file({ server: `listen[] = :80\nuser = ${word}\ngroup = "${word}"` }));
    expect(config.server).toMatchObject({ user: word, group: word });
  });

  test('takes values from the environment', () => {
    const config = loaded(file({ volume: 'servers = "$(HOST):1", $(HOST)'.replaceAll('"', '') }));
    expect(config.volumes[0]?.servers.map(({ text }) => text)).toEqual([
      '192.0.2.9:1',
      '192.0.2.9',
    ]);
  });

  test('takes the same path twice for different hosts', () => {
    const rest =
      '[mount n]\npath = /\nvolume = v\nhost = a.org\n[mount o]\npath = /\nvolume = v\nhost = b.org, *.a.org';
    expect(loaded(file({ rest })).mounts).toHaveLength(3);
  });

  test('warns of a volume that no mount uses', () => {
    const config = loaded(file({ rest: '[volume w]\nvolfile = /x' }));
    expect(config.warnings).toEqual(['server.ini:8: [volume w]: no mount uses this volume']);
  });

  test('takes files below a root that would be reserved at the volume', () => {
    const config = loaded(file({ rest: 'root = /a\nfallback = /.meta/b' }));
    expect(config.mounts[0]?.fallback).toBe('/.meta/b');
  });

  test('is plain data, as it travels between processes', () => {
    const rest =
      'rewrite[] = ^/(.)$ /$1\nredirect[] = ^/ /\ncache-control[] = * a\nerror-page[] = 404 /a';
    const config = loaded(file({ rest }));
    expect(JSON.parse(JSON.stringify(config))).toEqual(config);
  });

  test('is frozen to its depths', () => {
    const thawed: unknown[] = [];
    const visit = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      if (!Object.isFrozen(value)) thawed.push(value);
      for (const each of Object.values(value)) visit(each);
    };
    visit(loaded(file({ mount: `${minimal.mount}\ntype[] = a b/c\nhost = a.org` })));
    expect(thawed).toEqual([]);
  });
});

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
