/** What gfserve serves behind nginx in tests: a small site with something of every kind. */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, open, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { Cluster } from './cluster/cluster.js';
import { Gfserve } from './gfserve.js';
import { freePort } from './ports.js';

export const MIB = 2 ** 20;
export const GIB = 2 ** 30;

/** Of `/large.bin`. */
export const LARGE = 300 * MIB;
/** Of `/sparse.bin`, which has other bytes than zeros only across 4 GiB. */
export const SPARSE = 6 * GIB;
export const ACROSS_4_GIB = { start: 4 * GIB - 500_000, length: 1_000_000 } as const;

export const TEXT = 'hello world\n';
export const APP = Buffer.from('console.log("app");\n'.repeat(100));
export const CHANGED = new Date(Date.UTC(2020, 1, 29, 12, 34, 56));
export const LAST_MODIFIED = 'Sat, 29 Feb 2020 12:34:56 GMT';

/** Of files `/size-N.bin`: around gfserve's and nginx's buffers. */
export const SIZES: readonly number[] = [
  ...[0, 1, 4095, 4096, 4097, 8192, 16_384, 16_385, 32_768, 65_536, 65_537],
  ...[262_144, 262_145, MIB, 10 * MIB + 1],
];

/** Names, and how they are asked for. */
export const NAMES: readonly (readonly [name: Buffer, path: string])[] = [
  [Buffer.from('a file with  spaces.txt'), '/a%20file%20with%20%20spaces.txt'],
  [Buffer.from('100%41.txt'), '/100%2541.txt'],
  [Buffer.from('why?#.txt'), '/why%3F%23.txt'],
  [Buffer.from('c++;a=b,c&d.txt'), '/c++;a=b,c&d.txt'],
  [Buffer.from('Grüße-日本語.txt'), `/${encodeURIComponent('Grüße-日本語')}.txt`],
  [Buffer.from([0x66, 0xff, 0xfe, 0x80]), '/f%FF%fe%80'],
  [Buffer.from('tab\tnew\nline\x7f'), '/tab%09new%0Aline%7f'],
  [Buffer.from('"quoted"\\<&>'), '/%22quoted%22%5C%3C&%3E'],
  [Buffer.from('n'.repeat(255)), `/${'n'.repeat(255)}`],
];

/** Fills the volume `site` of a new cluster. */
export async function fillSite(mounted: string): Promise<void> {
  const htdocs = join(mounted, 'htdocs');
  for (const folder of ['dir', 'empty', 'list/sub', 'many', 'evil.example']) {
    await mkdir(join(htdocs, folder), { recursive: true });
  }
  const files: Record<string, string | Buffer> = {
    'a.txt': TEXT,
    'app.js': APP,
    'app.js.br': brotliCompressSync(APP),
    'app.js.gz': gzipSync(APP),
    '404.html': '<h1>not here</h1>',
    'dir/index.html': '<h1>index</h1>',
    'dir/a.txt': 'in a folder',
    'list/one.txt': '1',
    'list/<two>.html': '22',
    '../host/index.html': 'by host',
  };
  await mkdir(join(mounted, 'host'));
  for (const [name, content] of Object.entries(files)) await writeFile(join(htdocs, name), content);
  for (const size of SIZES) await writeFile(join(htdocs, `size-${size}.bin`), randomBytes(size));
  for (const [name] of NAMES) {
    await writeFile(Buffer.concat([Buffer.from(`${htdocs}/`), name]), randomBytes(100));
  }
  await utimes(join(htdocs, 'a.txt'), CHANGED, CHANGED);
  await writeMany(join(htdocs, 'many'), 1200);
  await writeLarge(join(htdocs, 'large.bin'));
  const sparse = await open(join(htdocs, 'sparse.bin'), 'w');
  await sparse.truncate(SPARSE);
  await sparse.write(randomBytes(ACROSS_4_GIB.length), 0, null, ACROSS_4_GIB.start);
  await sparse.close();
}

/** A folder whose listing is too long to go out as a whole. */
async function writeMany(folder: string, count: number): Promise<void> {
  for (let i = 0; i < count; i += 40) {
    await Promise.all(
      Array.from({ length: Math.min(40, count - i) }, (_, k) =>
        writeFile(join(folder, `${i + k}-${'m'.repeat(100)}`), ''),
      ),
    );
  }
}

async function writeLarge(path: string): Promise<void> {
  const file = await open(path, 'w');
  for (let left = LARGE; left > 0; left -= MIB) await file.write(randomBytes(MIB));
  await file.close();
}

/** gfserve's configuration of that site and of a volume `other`, with further `limits`. */
export function siteConfig(cluster: Cluster, limits = ''): string {
  const mount = (name: string, path: string, more: string): string => `
[mount ${name}]
path = ${path}
volume = site
root = /htdocs
${more}
`;
  return `
[limits]
${limits}
[volume site]
servers = ${cluster.addresses.join(', ')}
${mount('main', '/', 'charset = utf-8')}
${mount('pre', '/pre', 'precompressed = br, gzip')}
${mount('html', '/html', 'autoindex = html')}
${mount('json', '/json', 'autoindex = json')}
${mount('rules', '/r', RULES)}
[volume other]
servers = ${cluster.addresses.join(', ')}
ping-timeout = 60s
[mount other]
path = /other
volume = other
[mount host]
path = /host
host = example.org
volume = site
root = /host
`;
}

const RULES = `
redirect[] = '^/r/gone/(.*)$ https://elsewhere.example/$1 301'
redirect[] = '^/r/here/(.*)$ /$1'
redirect[] = '^/r/who/(.*)$ https://$host/$1?from=$uri&$args 307'
redirect[] = '^/r/upstream/(.*)$ http://gfserve/$1 308'
header[] = "X-Content-Type-Options: nosniff"
header[] = "X-Two: one, two"
header[] = "Vary: Origin"
header[] = "Expires: Thu, 01 Jan 1970 00:00:01 GMT"
cache-control[] = "*.txt public, max-age=60"
error-page[] = "404 /404.html"
`;

/** A gfserve with two workers, and where it listens. */
export interface Backend {
  readonly port: number;
  readonly sockets: string;
  start(): Promise<Gfserve>;
}

/** Its addresses, with sockets in `dir`, stay the same when it is started again. */
export async function startable(
  cluster: Cluster,
  dir: string,
  name: string,
  limits = '',
): Promise<Backend> {
  const sockets = await mkdtemp(join(dir, name));
  await chmod(sockets, 0o755);
  const port = await freePort();
  const listen = `listen[] = 127.0.0.1:${port}\nlisten[] = unix:${sockets}/worker-%w.sock`;
  const config = siteConfig(cluster, limits);
  return {
    port,
    sockets,
    start: () => Gfserve.start({ workers: 2, server: listen, config }),
  };
}
