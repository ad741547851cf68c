import { availableParallelism } from 'node:os';
import { describe, expect, test } from '@jest/globals';
import { file, loaded, minimal } from '../support/config_text.js';

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
        capabilities: [],
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
          required: true,
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
        'required = no',
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
        required: false,
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
