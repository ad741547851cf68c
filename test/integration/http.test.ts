/** What each HTTP case answers, over a socket and from a real volume. docs/http.md says the same for users. */

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, open, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Answer, get } from '../support/client.js';
import { Cluster } from '../support/cluster/cluster.js';
import { Gfserve, until } from '../support/gfserve.js';

let cluster: Cluster;
let server: Gfserve;
let htdocs: string;

const TEXT = 'hello world\n';
const CHANGED = new Date(Date.UTC(2020, 1, 29, 12, 34, 56));
const LAST_MODIFIED = 'Sat, 29 Feb 2020 12:34:56 GMT';
const APP = Buffer.from('console.log("app");\n'.repeat(100));
const large = randomBytes(1_500_000);

beforeAll(async () => {
  cluster = await Cluster.up({ dir: await mkdtemp(join(tmpdir(), 'gfserve-http-')), nodes: 1 });
  await cluster.createVolume('site');
  const volume = await cluster.mount('site');
  htdocs = join(volume, 'htdocs');
  const folders = ['dir', 'empty', 'two', '.hidden', '.well-known', '.git', 'evil.example', 'wide'];
  await mkdir(htdocs);
  for (const folder of folders) await mkdir(join(htdocs, folder));
  await mkdir(join(volume, 'spa'));
  const files: Record<string, string | Buffer> = {
    'a.txt': TEXT,
    'zero.txt': '',
    'app.js': APP,
    'app.js.br': brotliCompressSync(APP),
    'app.js.gz': gzipSync(APP),
    'plain.css': 'body{}',
    'only.html.gz': gzipSync('<p>'),
    'image.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
    'data.json': '{}',
    'page.html': '<title>page</title>',
    'page.xml': '<x/>',
    'photo.png': 'png',
    'unknown.zzz': '?',
    Makefile: 'all:',
    'thing.foo': 'foo',
    'new.txt': 'renewed',
    '404.html': '<h1>not here</h1>',
    'large.bin': large,
    'dir/index.html': '<h1>index</h1>',
    'dir/index.html.gz': gzipSync('<h1>index</h1>'),
    'two/index.htm': 'second index',
    'a%2Fb': 'percent',
    '.hidden/a.txt': TEXT,
    '.htaccess': 'secret',
    '.git/config': 'secret',
    '.well-known/security.txt': 'contact',
    '../spa/index.html': '<h1>app</h1>',
    '../spa/index.html.gz': gzipSync('<h1>app</h1>'),
    '../spa/app.css': 'p{}',
    'wide/<img src=x onerror=alert(1)>': 'x',
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(htdocs, name), content);
  await utimes(join(htdocs, 'a.txt'), CHANGED, CHANGED);
  await utimes(join(htdocs, 'large.bin'), CHANGED, CHANGED);
  execFileSync('mkfifo', [join(htdocs, 'fifo')]);
  server = await Gfserve.start({
    server: 'trusted-proxies = 127.0.0.1/32',
    config: `
[volume site]
servers = ${cluster.addresses.join(', ')}
[mount bare]
path = /
volume = site
root = /htdocs
index = index.html, index.htm
charset = utf-8
[mount rules]
path = /r
volume = site
root = /htdocs
redirect[] = '^/r/gone/(.*)$ https://elsewhere.example/$1 301'
redirect[] = '^/r/here/(.*)$ /$1'
redirect[] = '^/r/(3\\d\\d)$ /a.txt?fixed=1 308'
redirect[] = '^/r/who/(.*)$ https://$host/$1?from=$uri&$args 307'
rewrite[] = '^/r/old/(.*)$ /r/new.$1'
rewrite[] = '^/r/other/(.*)$ /$1'
rewrite[] = '^/r/loop/(.*)$ /r/loop/$1x'
header[] = "X-Content-Type-Options: nosniff"
header[] = "Vary: Origin"
header[] = "Last-Modified:"
cache-control[] = "*.txt public, max-age=60"
cache-control[] = "/r/dir/** no-cache"
error-page[] = "404 /404.html"
type[] = "foo text/x-foo"
type[] = "**/Makefile text/x-makefile"
[mount pre]
path = /pre
volume = site
root = /htdocs
precompressed = br, gzip
[mount spa]
path = /spa
volume = site
root = /spa
fallback = /index.html
precompressed = gzip
cache-control[] = "index.html no-cache"
cache-control[] = "*.css max-age=9"
[mount list]
path = /list
volume = site
root = /htdocs
autoindex = html
[mount json]
path = /json
volume = site
root = /htdocs
autoindex = json
[mount hidden]
path = /hidden
volume = site
root = /htdocs
hidden = allow
[mount deep]
path = /r/dir/deep
volume = site
root = /spa
[mount wild]
path = /v
host = *.example.org
volume = site
root = /spa
[mount longer]
path = /v
host = *.www.example.org
volume = site
root = /htdocs/dir
[mount exact]
path = /v
host = a.www.example.org
volume = site
root = /htdocs/two
index = index.htm
[mount volume-root]
path = /root
volume = site
hidden = allow
`,
  });
}, 60_000);

afterAll(async () => {
  await server?.stop();
  await cluster?.down();
}, 60_000);

const ask = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> =>
  get(server.port, path, { headers, method });

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
        const socket = net.connect(server.port, '127.0.0.1');
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
servers = ${cluster.addresses.join(', ')}
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
    await until('the log line', 5000, () => /mount rules: rewrites.*never end/.test(server.log));
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

describe('precompressed siblings', () => {
  test.each([
    ['br, gzip', 'br', brotliCompressSync(APP)],
    ['gzip', 'gzip', gzipSync(APP)],
    ['br;q=0.5, gzip', 'gzip', gzipSync(APP)],
    ['zstd', undefined, APP],
    ['identity', undefined, APP],
    ['br;q=0, gzip;q=0, identity;q=0', undefined, APP],
  ])('%s', async (accept, encoding, body) => {
    const answer = await ask('/pre/app.js', { 'Accept-Encoding': accept });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-encoding']).toBe(encoding);
    expect(answer.headers['content-type']).toBe('text/javascript');
    expect(answer.headers['content-length']).toBe(String(body.length));
    expect(answer.body.equals(body)).toBe(true);
  });

  test('each has an ETag of its own, and Vary is on every answer', async () => {
    const [plain, packed] = [
      await ask('/pre/app.js'),
      await ask('/pre/app.js', { 'Accept-Encoding': 'br' }),
    ];
    expect(plain.headers.etag).not.toBe(packed.headers.etag);
    const etag = packed.headers.etag ?? '';
    const unchanged = await ask('/pre/app.js', { 'Accept-Encoding': 'br', 'If-None-Match': etag });
    expect(unchanged.status).toBe(304);
    const other = await ask('/pre/app.js', { 'Accept-Encoding': 'gzip', 'If-None-Match': etag });
    expect(other.status).toBe(200);
    const more = await Promise.all([
      ask('/pre/missing'),
      ask('/pre/dir'),
      ask('/pre/app.js', { Range: 'bytes=0-1' }),
      ask('/pre/app.js', { Range: 'bytes=99999-' }),
      ask('/pre/app.js', {}, 'POST'),
    ]);
    for (const { headers } of [plain, packed, unchanged, other, ...more])
      expect(headers.vary).toBe('Accept-Encoding');
  });

  test('ranges count in the encoded bytes', async () => {
    const encoded = brotliCompressSync(APP);
    const answer = await ask('/pre/app.js', { 'Accept-Encoding': 'br', Range: 'bytes=2-4' });
    expect(answer.headers['content-range']).toBe(`bytes 2-4/${encoded.length}`);
    expect(answer.body.equals(encoded.subarray(2, 5))).toBe(true);
  });

  test('an index has siblings too; elsewhere there are none', async () => {
    const index = await ask('/pre/dir/', { 'Accept-Encoding': 'gzip' });
    expect(index.headers['content-encoding']).toBe('gzip');
    expect(index.headers['content-type']).toBe('text/html');
    const plain = await ask('/app.js', { 'Accept-Encoding': 'br, gzip' });
    expect([plain.headers['content-encoding'], plain.headers.vary]).toEqual([undefined, undefined]);
  });
});

describe('validators and preconditions', () => {
  test('Last-Modified in whole seconds, a strong ETag that is the same for every worker', async () => {
    const { headers } = await ask('/a.txt');
    expect(headers['last-modified']).toBe(LAST_MODIFIED);
    expect(headers.etag).toMatch(/^"[0-9a-f]{32}-[0-9a-z]+-[0-9a-z.]+"$/);
    const other = await Gfserve.start({
      config: `
[volume again]
volname = site
servers = ${cluster.addresses.join(', ')}
[mount one]
path = /x
root = /htdocs
volume = again
`,
    });
    try {
      expect((await get(other.port, '/x/a.txt')).headers.etag).toBe(headers.etag);
    } finally {
      await other.stop();
    }
  });

  test('a file renamed over another never keeps its ETag', async () => {
    const write = async (): Promise<void> => {
      const file = join(htdocs, 'replaced.txt');
      await writeFile(`${file}.new`, TEXT);
      await utimes(`${file}.new`, CHANGED, CHANGED);
      await rename(`${file}.new`, file);
    };
    await write();
    const before = (await ask('/replaced.txt')).headers.etag;
    await write();
    await until(
      'another ETag',
      5000,
      async () => (await ask('/replaced.txt')).headers.etag !== before,
    );
  });

  const LATER = 'Sun, 01 Mar 2020 00:00:00 GMT';
  const EARLIER = 'Sat, 29 Feb 2020 12:34:55 GMT';
  test.each([
    [{ 'If-None-Match': 'TAG' }, 304],
    [{ 'If-None-Match': 'W/TAG' }, 304],
    [{ 'If-None-Match': '"x", TAG' }, 304],
    [{ 'If-None-Match': '*' }, 304],
    [{ 'If-None-Match': '"x"' }, 200],
    [{ 'If-Modified-Since': LAST_MODIFIED }, 304],
    [{ 'If-Modified-Since': LATER }, 304],
    [{ 'If-Modified-Since': EARLIER }, 200],
    [{ 'If-Modified-Since': 'Saturday, 29-Feb-20 12:34:56 GMT' }, 304],
    [{ 'If-Modified-Since': 'Sat Feb 29 12:34:56 2020' }, 304],
    [{ 'If-Modified-Since': 'today' }, 200],
    // If-None-Match counts instead of If-Modified-Since, If-Match instead of If-Unmodified-Since.
    [{ 'If-None-Match': '"x"', 'If-Modified-Since': LATER }, 200],
    [{ 'If-Match': 'TAG', 'If-Unmodified-Since': EARLIER }, 200],
    [{ 'If-Match': 'TAG' }, 200],
    [{ 'If-Match': '*' }, 200],
    [{ 'If-Match': 'W/TAG' }, 412],
    [{ 'If-Match': '"x"' }, 412],
    [{ 'If-Match': '"x"', 'If-None-Match': 'TAG' }, 412],
    [{ 'If-Unmodified-Since': LAST_MODIFIED }, 200],
    [{ 'If-Unmodified-Since': EARLIER }, 412],
    [{ 'If-Unmodified-Since': 'today' }, 200],
    [{ 'If-Match': 'TAG', 'If-None-Match': 'TAG' }, 304],
    [{ 'If-None-Match': 'TAG', Range: 'bytes=0-1' }, 304],
    [{ 'If-Match': '"x"', Range: 'bytes=0-1' }, 412],
    [{ 'If-Match': 'TAG', Range: 'bytes=0-1' }, 206],
  ])('%j: %d', async (given, status) => {
    const { etag = '' } = (await ask('/a.txt')).headers;
    const headers = Object.fromEntries(
      Object.entries(given).map(([name, value]) => [name, value.replace('TAG', etag)]),
    );
    for (const method of ['GET', 'HEAD']) {
      const answer = await ask('/a.txt', headers, method);
      // HEAD knows no ranges.
      expect(answer.status).toBe(method === 'HEAD' && status === 206 ? 200 : status);
      if (method === 'GET' && status === 200) expect(answer.body.toString()).toBe(TEXT);
      if (status === 304) expect(answer.body.length).toBe(0);
      if (status === 412 && method === 'GET') expect(answer.body.length).toBeGreaterThan(0);
    }
  });

  test('304 carries what the 200 would have, save what describes the body', async () => {
    const whole = await ask('/pre/app.js', { 'Accept-Encoding': 'br' });
    const { etag = '' } = whole.headers;
    const answer = await ask('/pre/app.js', { 'Accept-Encoding': 'br', 'If-None-Match': etag });
    expect(answer.status).toBe(304);
    for (const name of ['etag', 'last-modified', 'vary'] as const)
      expect(answer.headers[name]).toBe(whole.headers[name]);
    expect(answer.headers.date).toBeDefined();
    for (const name of [
      'content-type',
      'content-encoding',
      'content-length',
      'content-range',
    ] as const)
      expect(answer.headers[name]).toBeUndefined();
  });
});

describe('ranges', () => {
  test.each([
    ['bytes=0-0', 0, 0],
    ['bytes=1-4', 1, 4],
    ['bytes=6-', 6, 11],
    ['bytes=-5', 7, 11],
    ['bytes=-500', 0, 11],
    ['bytes=0-500', 0, 11],
    ['bytes=3-5,4-7,8-8', 3, 8],
  ])('one: %s', async (range, start, end) => {
    const answer = await ask('/a.txt', { Range: range });
    expect(answer.status).toBe(206);
    expect(answer.headers['content-range']).toBe(`bytes ${start}-${end}/${TEXT.length}`);
    expect(answer.headers['content-length']).toBe(String(end - start + 1));
    expect(answer.headers['accept-ranges']).toBe('bytes');
    expect(answer.body.toString()).toBe(TEXT.slice(start, end + 1));
  });

  test('several, in the order asked, of a small file and of a large one', async () => {
    for (const [path, content, ranges] of [
      [
        '/a.txt',
        Buffer.from(TEXT),
        [
          [6, 8],
          [0, 1],
          [11, 11],
        ],
      ],
      [
        '/large.bin',
        large,
        [
          [1_400_000, 1_499_999],
          [0, 99_999],
          [700_000, 700_000],
        ],
      ],
    ] as const) {
      const header = ranges.map(([start, end]) => `${start}-${end}`).join(',');
      const answer = await ask(path, { Range: `bytes=${header}` });
      expect([answer.status, answer.complete]).toEqual([206, true]);
      expect(answer.headers['content-length']).toBe(String(answer.body.length));
      const [, boundary = ''] =
        /^multipart\/byteranges; boundary=(\S+)$/.exec(answer.headers['content-type'] ?? '') ?? [];
      const type = path === '/a.txt' ? 'text/plain; charset=utf-8' : 'application/octet-stream';
      const expected = ranges.flatMap(([start, end]) => [
        Buffer.from(
          `\r\n--${boundary}\r\nContent-Type: ${type}\r\nContent-Range: bytes ${start}-${end}/${content.length}\r\n\r\n`,
        ),
        content.subarray(start, end + 1),
      ]);
      const whole = Buffer.concat([...expected, Buffer.from(`\r\n--${boundary}--\r\n`)]);
      expect(answer.body.equals(whole)).toBe(true);
    }
  });

  test.each([
    [
      Array.from({ length: 51 }, (_, index) => `${index * 9}-${index * 9}`).join(','),
      '/large.bin',
      200,
    ],
    [
      Array.from({ length: 50 }, (_, index) => `${index * 9}-${index * 9}`).join(','),
      '/large.bin',
      206,
    ],
    ['0-,0-', '/a.txt', 200],
    ['12-', '/a.txt', 416],
    ['5-2', '/a.txt', 416],
    ['x', '/a.txt', 416],
    ['0-0', '/zero.txt', 416],
  ])('bytes=%s of %s: %d', async (set, path, status) => {
    const answer = await ask(path, { Range: `bytes=${set}` });
    expect(answer.status).toBe(status);
    if (status === 416) {
      const size = path === '/a.txt' ? TEXT.length : 0;
      expect(answer.headers['content-range']).toBe(`bytes */${size}`);
    }
    if (status === 200) expect(answer.headers['accept-ranges']).toBe('bytes');
  });

  test('another unit is ignored, and so is a range on HEAD', async () => {
    expect((await ask('/a.txt', { Range: 'lines=0-1' })).status).toBe(200);
    expect((await ask('/a.txt', { Range: 'bytes=0-1' }, 'HEAD')).status).toBe(200);
  });

  test.each([
    ['TAG', 206],
    [LAST_MODIFIED, 206],
    ['W/TAG', 200],
    ['"x"', 200],
    ['Sun, 01 Mar 2020 00:00:00 GMT', 200],
    ['nonsense', 200],
  ])('If-Range: %s: %d', async (ifRange, status) => {
    for (const path of ['/a.txt', '/large.bin']) {
      const { etag = '' } = (await ask(path)).headers;
      const headers = { Range: 'bytes=5-', 'If-Range': ifRange.replace('TAG', etag) };
      const answer = await ask(path, headers);
      const content = path === '/a.txt' ? Buffer.from(TEXT) : large;
      expect([answer.status, answer.complete]).toEqual([status, true]);
      expect(answer.body.equals(status === 206 ? content.subarray(5) : content)).toBe(true);
    }
  });

  test.each([
    [300_000, 900_000],
    [0, 262_144],
    [1_499_999, 1_499_999],
    [65_536, 65_536],
  ])('of a large file, bytes %d to %d', async (start, end) => {
    const answer = await ask('/large.bin', { Range: `bytes=${start}-${end}` });
    expect(answer.status).toBe(206);
    expect(answer.body.equals(large.subarray(start, end + 1))).toBe(true);
  });

  test('6 GiB, sparse: across 4 GiB, the last byte, a suffix, and three far apart', async () => {
    const GIB = 2 ** 30;
    const size = 6 * GIB;
    const file = join(htdocs, 'sparse.bin');
    const handle = await open(file, 'w');
    await handle.truncate(size);
    const places = new Map<number, Buffer>();
    for (const at of [1000, 4 * GIB - 50, 5 * GIB, size - 100]) {
      const bytes = randomBytes(100);
      await handle.write(bytes, 0, 100, at);
      places.set(at, bytes);
    }
    await handle.close();
    const at = (place: number): Buffer => places.get(place) ?? Buffer.alloc(0);
    const crossing = await ask('/sparse.bin', { Range: `bytes=${4 * GIB - 50}-${4 * GIB + 49}` });
    expect(crossing.headers['content-range']).toBe(`bytes ${4 * GIB - 50}-${4 * GIB + 49}/${size}`);
    expect(crossing.body.equals(at(4 * GIB - 50))).toBe(true);
    const last = await ask('/sparse.bin', { Range: `bytes=${size - 1}-` });
    expect(last.body.equals(at(size - 100).subarray(99))).toBe(true);
    const suffix = await ask('/sparse.bin', { Range: 'bytes=-100' });
    expect(suffix.body.equals(at(size - 100))).toBe(true);
    const ranges = [`${5 * GIB}-${5 * GIB + 99}`, '1000-1099', `${size - 100}-${size - 1}`];
    const three = await ask('/sparse.bin', { Range: `bytes=${ranges.join(',')}` });
    expect([three.status, three.headers['content-length']]).toEqual([
      206,
      String(three.body.length),
    ]);
    const found = [5 * GIB, 1000, size - 100].map((place) => three.body.indexOf(at(place)));
    expect(found.every((index) => index > 0)).toBe(true);
    expect([...found].sort((a, b) => a - b)).toEqual(found);
    await rm(file);
  });
});

describe('answers', () => {
  test('HEAD announces the length of a file of any size', async () => {
    expect((await ask('/large.bin', {}, 'HEAD')).headers['content-length']).toBe(
      String(large.length),
    );
  });

  test('a trusted proxy is told how an answer came about', async () => {
    expect((await ask('/a.txt')).headers['cache-status']).toMatch(/^gfserve; fwd=(miss|stale); /);
    expect((await ask('/r/here/x')).headers['cache-status']).toBe('gfserve');
    const others = await Gfserve.start({
      config: `
[volume site]
servers = ${cluster.addresses.join(', ')}
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
servers = ${cluster.addresses.join(', ')}
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
      await mkdir(join(htdocs, 'releases', release), { recursive: true });
      await writeFile(join(htdocs, 'releases', release, 'index.html'), `release ${release}`);
    }
    await symlink('releases/1', join(htdocs, 'current'));
    expect((await ask('/current/')).body.toString()).toBe('release 1');
    await symlink('releases/2', join(htdocs, 'current.new'));
    await rename(join(htdocs, 'current.new'), join(htdocs, 'current'));
    const ms = await until('the new release', 5000, async () =>
      (await ask('/current/')).body.equals(Buffer.from('release 2')),
    );
    expect(ms).toBeLessThan(1500);
    expect((await ask('/current')).headers.location).toBe('/current/');
  });

  test('out of the root: 403; in circles: 404', async () => {
    await symlink('../spa/index.html', join(htdocs, 'outside.html'));
    await symlink('circle', join(htdocs, 'circle'));
    expect((await ask('/outside.html')).status).toBe(403);
    expect((await ask('/circle')).status).toBe(404);
  });
});
