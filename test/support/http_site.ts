/** The site that the tests of HTTP ask: one volume, and mounts with each kind of rule. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { type Answer, get } from './client.js';
import { Cluster } from './cluster/cluster.js';
import { Gfserve } from './gfserve.js';

export const TEXT = 'hello world\n';
export const CHANGED = new Date(Date.UTC(2020, 1, 29, 12, 34, 56));
export const LAST_MODIFIED = 'Sat, 29 Feb 2020 12:34:56 GMT';
export const APP = Buffer.from('console.log("app");\n'.repeat(100));
export const LARGE = randomBytes(1_500_000);

export interface HttpSite {
  readonly cluster: Cluster;
  readonly server: Gfserve;
  /** The folder that most mounts serve, on a mount of the volume. */
  readonly htdocs: string;
  ask(path: string, headers?: Record<string, string>, method?: string): Promise<Answer>;
  stop(): Promise<void>;
}

export async function startHttpSite(): Promise<HttpSite> {
  const cluster = await Cluster.up({
    dir: await mkdtemp(join(tmpdir(), 'gfserve-http-')),
    nodes: 1,
  });
  await cluster.createVolume('site');
  const volume = await cluster.mount('site');
  const htdocs = join(volume, 'htdocs');
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
    'large.bin': LARGE,
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
  const server = await Gfserve.start({
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
  return {
    cluster,
    server,
    htdocs,
    ask: (path, headers = {}, method = 'GET') => get(server.port, path, { headers, method }),
    stop: async () => {
      await server.stop();
      await cluster.down();
    },
  };
}
