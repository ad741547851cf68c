/** What each HTTP case answers, over a socket and from a real volume. docs/http.md says the same for users. */
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { get } from '../support/client.js';
import { Gfserve, until } from '../support/gfserve.js';
import { type HttpSite, LARGE, startHttpSite } from '../support/http_site.js';

let site: HttpSite;

beforeAll(async () => {
  site = await startHttpSite();
}, 240_000);

afterAll(() => site?.stop(), 60_000);

const ask: HttpSite['ask'] = (...args) => site.ask(...args);

describe('requests', () => {
  test('GET and HEAD have the same headers', async () => {
    for (const path of [
      '/a.txt',
      '/zero.txt',
      '/large.bin',
      '/missing',
      '/dir',
      '/empty/',
      '/pre/app.js',
      '/list/',
    ]) {
      const [whole, head] = [await ask(path), await ask(path, {}, 'HEAD')];
      // The second one need not be read from the volume.
      for (const each of [whole, head]) delete each.headers['cache-status'];
      const { date: _, connection: __, 'transfer-encoding': ___, ...headers } = whole.headers;
      const { date: _a, connection: _b, ...headHeaders } = head.headers;
      expect([path, head.status, headHeaders]).toEqual([path, whole.status, headers]);
      expect(head.body.length).toBe(0);
    }
  });

  test('OPTIONS: 204 with Allow', async () => {
    const answer = await ask('/a.txt', {}, 'OPTIONS');
    expect([answer.status, answer.headers.allow]).toEqual([204, 'GET, HEAD, OPTIONS']);
  });

  test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'PROPFIND', 'TRACE'])(
    '%s: 405 with Allow',
    async (method) => {
      const answer = await ask('/a.txt', {}, method);
      expect([answer.status, answer.headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS']);
    },
  );

  test.each([
    ['/%zz', 400],
    ['/%4', 400],
    ['/a%00b', 400],
    ['/../a.txt', 400],
    ['/dir/../../a.txt', 400],
    ['/%2e%2e/a.txt', 400],
    ['/dir/%2E%2e%2F../a.txt', 400],
    ['/dir/../a.txt', 200],
    ['/./dir/./../a.txt', 200],
    ['/dir%2f..%2Fa.txt', 200],
    ['//a.txt', 200],
    ['/dir//..///a.txt', 200],
    ['/a%252Fb', 200],
    ['/a%2Fb', 404],
    [`/${'n'.repeat(255)}`, 404],
    [`/${'n'.repeat(256)}`, 404],
    [`/${'n/'.repeat(2048)}`, 414],
    [`/${'n/'.repeat(2047)}n`, 404],
  ])('path %s: %d', async (path, status) => {
    expect((await ask(path)).status).toBe(status);
  });

  test.each(['Content-Length: 5\r\n\r\nhello', 'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n'])(
    'a body on GET: served, and the connection is closed after: %j',
    async (rest) => {
      const text = await new Promise<string>((resolve, reject) => {
        let got = '';
        const socket = net.connect(site.server.port, '127.0.0.1');
        socket.on('data', (data) => {
          got += data.toString('latin1');
        });
        socket.on('error', reject);
        socket.on('close', () => resolve(got));
        socket.write(`GET /a.txt HTTP/1.1\r\nHost: x\r\n${rest}`);
      });
      expect(text).toMatch(
        /^HTTP\/1\.1 200 OK\r\n.*\r\nConnection: close\r\n.*\r\n\r\nhello world\n$/s,
      );
    },
  );

  test.each([
    ['/.htaccess', 404],
    ['/.hidden/a.txt', 404],
    ['/%2ehtaccess', 404],
    ['/.git/', 404],
    ['/.well-known/security.txt', 200],
    ['/hidden/.hidden/a.txt', 200],
    ['/hidden/.htaccess', 200],
  ])('hidden: %s: %d', async (path, status) => {
    expect((await ask(path)).status).toBe(status);
  });

  test.each(['.glusterfs', '.meta', '.trashcan', '.shard', '.snaps', '.landfill'])(
    'reserved at the root of the volume: %s',
    async (name) => {
      for (const path of [`/root/${name}`, `/root/${name}/`, `/root/${name}/indices/xattrop`]) {
        expect([path, (await ask(path)).status]).toEqual([path, 404]);
      }
    },
  );

  test('a FIFO: 403', async () => {
    expect((await ask('/fifo')).status).toBe(403);
  });
});

describe('mounts', () => {
  test.each([
    ['other.example', '/v/', 404],
    ['x.example.org', '/v/', '<h1>app</h1>'],
    ['b.www.example.org', '/v/', '<h1>index</h1>'],
    ['A.WWW.example.org.:8080', '/v/', 'second index'],
    ['example.org', '/v/', 404],
    ['x', '/r/dir/deep/', '<h1>app</h1>'],
    ['x', '/r/dir/', '<h1>index</h1>'],
    ['x', '/rx', 404],
  ])('%s %s', async (host, path, found) => {
    const answer = await ask(path, { Host: host });
    expect(answer.status === 200 ? answer.body.toString() : answer.status).toBe(found);
  });

  test('no mount for the host: 404', async () => {
    const other = await Gfserve.start({
      config: `
[volume site]
servers = ${site.cluster.addresses.join(', ')}
[mount one]
path = /
host = a.example
volume = site
`,
    });
    try {
      expect((await get(other.port, '/', { headers: { Host: 'b.example' } })).status).toBe(404);
      // The mount is found, and its folder has no index.
      expect((await get(other.port, '/', { headers: { Host: 'a.example' } })).status).toBe(403);
    } finally {
      await other.stop();
    }
  });
});

describe('rules', () => {
  test.each([
    ['/r/gone/x%20y?a=b', 301, 'https://elsewhere.example/x%20y?a=b'],
    ['/r/here/x', 302, '/x'],
    ['/r/here//evil.example/x', 302, '/evil.example/x'],
    ['/r/here/%0d%0aSet-Cookie:x', 302, '/%0D%0ASet-Cookie:x'],
    ['/r/308?q=1', 308, '/a.txt?fixed=1'],
    ['/r/who/x?q=1', 307, 'https://site.example/x?from=/r/who/x&q=1'],
  ])('redirect %s', async (path, status, location) => {
    const answer = await ask(path, { Host: 'site.example:81' });
    expect([answer.status, answer.headers.location]).toEqual([status, location]);
  });

  test.each([
    ['/r/old/txt', 200, 'renewed'],
    ['/r/other/dir/index.html', 200, '<h1>index</h1>'],
    ['/r/other/.htaccess', 404, null],
    ['/r/loop/x', 500, null],
  ])('rewrite %s', async (path, status, text) => {
    const answer = await ask(path);
    expect(answer.status).toBe(status);
    if (text !== null) expect(answer.body.toString()).toBe(text);
  });

  test('a rewrite without end is logged', async () => {
    await ask('/r/loop/logged');
    await until('the log line', 5000, () =>
      /mount rules: rewrites.*never end/.test(site.server.log),
    );
  });

  test.each([
    ['/r/a.txt', 200, 'public, max-age=60'],
    ['/r/dir/index.html', 200, 'no-cache'],
    ['/r/dir/', 200, 'no-cache'],
    ['/r/plain.css', 200, undefined],
    ['/r/missing.txt', 404, undefined],
    ['/r/dir', 301, undefined],
  ])('cache-control of %s', async (path, status, value) => {
    const answer = await ask(path);
    expect([answer.status, answer.headers['cache-control']]).toEqual([status, value]);
  });

  test('cache-control on 206 and 304, not on 412 and 416', async () => {
    const { etag = '' } = (await ask('/r/a.txt')).headers;
    const cases: [Record<string, string>, number, string | undefined][] = [
      [{ Range: 'bytes=0-1' }, 206, 'public, max-age=60'],
      [{ 'If-None-Match': etag }, 304, 'public, max-age=60'],
      [{ 'If-Match': '"x"' }, 412, undefined],
      [{ Range: 'bytes=100-' }, 416, undefined],
    ];
    for (const [headers, status, value] of cases) {
      const answer = await ask('/r/a.txt', headers);
      expect([answer.status, answer.headers['cache-control']]).toEqual([status, value]);
    }
  });

  test('headers are set and removed on every status', async () => {
    const { etag = '' } = (await ask('/r/a.txt')).headers;
    const cases: [string, string, Record<string, string>, number][] = [
      ['GET', '/r/a.txt', {}, 200],
      ['HEAD', '/r/a.txt', {}, 200],
      ['GET', '/r/a.txt', { Range: 'bytes=0-1' }, 206],
      ['GET', '/r/a.txt', { Range: 'bytes=0-1,5-6' }, 206],
      ['OPTIONS', '/r/a.txt', {}, 204],
      ['GET', '/r/dir', {}, 301],
      ['GET', '/r/gone/x', {}, 301],
      ['GET', '/r/a.txt', { 'If-None-Match': etag }, 304],
      ['GET', '/r/empty/', {}, 403],
      ['GET', '/r/missing', {}, 404],
      ['POST', '/r/a.txt', {}, 405],
      ['GET', '/r/a.txt', { 'If-Match': '"x"' }, 412],
      ['GET', '/r/a.txt', { Range: 'bytes=100-' }, 416],
      ['GET', '/r/loop/x', {}, 500],
    ];
    for (const [method, path, headers, status] of cases) {
      const answer = await ask(path, headers, method);
      expect([
        answer.status,
        answer.headers['x-content-type-options'],
        answer.headers.vary,
        answer.headers['last-modified'],
      ]).toEqual([status, 'nosniff', 'Origin', undefined]);
    }
  });

  test.each([
    ['/r/thing.foo', 'text/x-foo'],
    ['/r/Makefile', 'text/x-makefile'],
    ['/Makefile', 'application/octet-stream'],
    ['/unknown.zzz', 'application/octet-stream'],
    ['/a.txt', 'text/plain; charset=utf-8'],
    ['/app.js', 'text/javascript; charset=utf-8'],
    ['/data.json', 'application/json; charset=utf-8'],
    ['/page.html', 'text/html; charset=utf-8'],
    ['/image.svg', 'image/svg+xml; charset=utf-8'],
    ['/page.xml', /^(?:text|application)\/xml; charset=utf-8$/],
    ['/photo.png', 'image/png'],
  ])('the type of %s', async (path, type) => {
    expect((await ask(path)).headers['content-type']).toMatch(type);
  });
});

describe('choosing the file', () => {
  test.each([
    ['/dir', '/dir/'],
    ['/dir?a=b&c', '/dir/?a=b&c'],
    ['//evil.example', '/evil.example/'],
    ['//evil.example/../dir', '/dir/'],
    ['/%5cevil.example/../dir', '/dir/'],
  ])('a directory without its slash: %s', async (path, location) => {
    const answer = await ask(path);
    expect([answer.status, answer.headers.location]).toEqual([301, location]);
    expect(new URL(location, 'http://here.example/x').host).toBe('here.example');
  });

  test('the first index that exists; else 403', async () => {
    expect((await ask('/dir/')).body.toString()).toBe('<h1>index</h1>');
    expect((await ask('/two/')).body.toString()).toBe('second index');
    expect((await ask('/empty/')).status).toBe(403);
    expect((await ask('/missing/')).status).toBe(404);
    expect((await ask('/a.txt/')).status).toBe(404);
  });

  test('the listing where it is on', async () => {
    const html = await ask('/list/');
    expect([html.status, html.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(html.body.toString()).toContain('a.txt');
    expect((await ask('/list/dir/')).body.toString()).toBe('<h1>index</h1>');
    expect((await ask('/list/wide/')).body.toString()).not.toContain('<img');
    expect((await ask('/list/missing/')).status).toBe(404);
    const json = await ask('/json/two/');
    expect([json.status, json.headers['content-type']]).toEqual([200, 'application/json']);
    const entries: unknown = JSON.parse(json.body.toString());
    expect(entries).toEqual([
      { name: 'index.htm', type: 'file', mtime: expect.any(String), size: 12 },
    ]);
  });

  test('nothing found: the fallback with its own type and cache rules', async () => {
    for (const path of ['/spa/users/7', '/spa/users/', '/spa/x.css']) {
      const answer = await ask(path);
      expect([answer.status, answer.body.toString()]).toEqual([200, '<h1>app</h1>']);
      expect(answer.headers['content-type']).toBe('text/html');
      expect(answer.headers['cache-control']).toBe('no-cache');
    }
    expect((await ask('/spa/app.css')).headers['cache-control']).toBe('max-age=9');
    const packed = await ask('/spa/users/7', { 'Accept-Encoding': 'gzip' });
    expect(packed.headers['content-encoding']).toBe('gzip');
    const { etag = '' } = (await ask('/spa/x')).headers;
    expect((await ask('/spa/y', { 'If-None-Match': etag })).status).toBe(304);
  });

  test('nothing found: the error page, with the status', async () => {
    const answer = await ask('/r/missing', { Range: 'bytes=0-1', 'If-None-Match': '*' });
    expect([answer.status, answer.body.toString()]).toEqual([404, '<h1>not here</h1>']);
    expect(answer.headers['content-type']).toBe('text/html');
    expect(answer.headers.etag).toBeUndefined();
    const head = await ask('/r/missing', {}, 'HEAD');
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([404, '17', 0]);
  });

  test('nothing found: 404 with a small text', async () => {
    const answer = await ask('/missing');
    expect([answer.status, answer.headers['content-type']]).toEqual([
      404,
      'text/plain; charset=utf-8',
    ]);
    expect(answer.body.toString()).toBe('404 Not Found: There is no such file\n');
  });
});

describe('answers', () => {
  test('HEAD announces the length of a file of any size', async () => {
    expect((await ask('/large.bin', {}, 'HEAD')).headers['content-length']).toBe(
      String(LARGE.length),
    );
  });

  test('a trusted proxy is told how an answer came about', async () => {
    expect((await ask('/a.txt')).headers['cache-status']).toMatch(/^gfserve; fwd=(miss|stale); /);
    expect((await ask('/r/here/x')).headers['cache-status']).toBe('gfserve');
    const others = await Gfserve.start({
      config: `
[volume site]
servers = ${site.cluster.addresses.join(', ')}
[mount one]
path = /
root = /htdocs
volume = site
`,
    });
    try {
      expect((await get(others.port, '/a.txt')).headers['cache-status']).toBeUndefined();
    } finally {
      await others.stop();
    }
  });

  test('with level = debug everybody is told', async () => {
    const debug = await Gfserve.start({
      config: `
[log]
level = debug
[cache]
valid = 0
[volume site]
servers = ${site.cluster.addresses.join(', ')}
[mount one]
path = /
root = /htdocs
volume = site
`,
    });
    try {
      const told = async (): Promise<unknown> =>
        (await get(debug.port, '/a.txt')).headers['cache-status'];
      expect(await told()).toBe('gfserve; fwd=miss; ttl=0');
      expect(await told()).toBe('gfserve; fwd=stale; fwd-status=304; ttl=0');
    } finally {
      await debug.stop();
    }
  });

  test('errors name no path, volume or brick', async () => {
    for (const path of ['/missing-name', '/empty/', '/fifo', '/%zz', '/r/loop/x']) {
      const answer = await ask(path);
      expect(answer.body.toString()).not.toMatch(
        /site|htdocs|missing-name|empty|fifo|brick|127\.1/,
      );
    }
  });
});

describe('symbolic links', () => {
  test('a deploy by an atomically switched link is seen at once', async () => {
    for (const release of ['1', '2']) {
      await mkdir(join(site.htdocs, 'releases', release), { recursive: true });
      await writeFile(join(site.htdocs, 'releases', release, 'index.html'), `release ${release}`);
    }
    await symlink('releases/1', join(site.htdocs, 'current'));
    expect((await ask('/current/')).body.toString()).toBe('release 1');
    await symlink('releases/2', join(site.htdocs, 'current.new'));
    await rename(join(site.htdocs, 'current.new'), join(site.htdocs, 'current'));
    const ms = await until('the new release', 5000, async () =>
      (await ask('/current/')).body.equals(Buffer.from('release 2')),
    );
    expect(ms).toBeLessThan(1500);
    expect((await ask('/current')).headers.location).toBe('/current/');
  });

  test('out of the root: 403; in circles: 404', async () => {
    await symlink('../spa/index.html', join(site.htdocs, 'outside.html'));
    await symlink('circle', join(site.htdocs, 'circle'));
    expect((await ask('/outside.html')).status).toBe(403);
    expect((await ask('/circle')).status).toBe(404);
  });
});
