/** Every byte of every kind of file and name, from two volumes. */

import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, open, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { download, fileHash, get, getHash } from '../support/client.js';
import { Cluster } from '../support/cluster/cluster.js';
import { Gfserve, until } from '../support/gfserve.js';

let cluster: Cluster;
let server: Gfserve;
let site: string;
let other: string;

beforeAll(async () => {
  cluster = await Cluster.up({ dir: await mkdtemp(join(tmpdir(), 'gfserve-content-')), nodes: 3 });
  await cluster.createVolume('site', { replica: 3 });
  await cluster.createVolume('other', { bricks: 1 });
  const mounted = await cluster.mount('site');
  site = join(mounted, 'htdocs');
  await mkdir(site);
  await writeFile(join(mounted, 'secret.txt'), 'above the root');
  other = await cluster.mount('other');
  const servers = cluster.addresses.join(', ');
  server = await Gfserve.start({
    config: `
[volume site]
servers = ${servers}
[volume other]
servers = ${servers}
[mount main]
path = /
volume = site
root = /htdocs
charset = utf-8
type[] = "foo text/x-foo"
[mount other]
path = /foo
volume = other
index = start.html, index.html
[mount virtual]
path = /
host = virtual.example, *.wild.example
volume = other
[mount strict]
path = /strict
volume = site
root = /htdocs
symlinks = deny
hidden = allow
[mount follow]
path = /follow
volume = site
root = /htdocs
symlinks = follow
`,
  });
}, 240_000);

afterAll(async () => {
  await server?.stop();
  await cluster?.down();
}, 240_000);

const KIB = 1024;
const MIB = 1024 * KIB;

interface Piece {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** The bytes from `from` on of a file that is all zeros but for its pieces. */
function sparse(from: number, length: number, pieces: readonly Piece[]): Buffer {
  const data = Buffer.alloc(length);
  for (const { offset, bytes } of pieces) {
    const begin = Math.max(offset, from);
    const end = Math.min(offset + bytes.length, from + length);
    if (begin < end) bytes.copy(data, begin - from, begin - offset, end - offset);
  }
  return data;
}

describe('bodies', () => {
  test.each([
    ['0 bytes', 0],
    ['1 byte', 1],
    ['4 KiB', 4 * KIB],
    ['64 KiB', 64 * KIB],
    ['64 KiB + 1', 64 * KIB + 1],
    ['256 KiB', 256 * KIB],
    ['256 KiB + 1', 256 * KIB + 1],
    ['1 MiB', MIB],
    ['300 MiB', 300 * MIB],
  ])('%s', async (_name, size) => {
    const file = join(site, `size-${size}.bin`);
    const handle = await open(file, 'w');
    for (let left = size; left > 0; left -= MIB)
      await handle.write(randomBytes(Math.min(left, MIB)));
    await handle.close();
    const answer = await getHash(server.port, `/size-${size}.bin`);
    expect(answer).toEqual({
      status: 200,
      bytes: size,
      sha256: await fileHash(file),
      complete: true,
    });
    const again = await getHash(server.port, `/size-${size}.bin`);
    expect(again.sha256).toBe(answer.sha256);
  });

  test('4 GiB and 16 MiB, sparse, with bytes beyond 4 GiB', async () => {
    const size = 4 * 1024 * MIB + 16 * MIB;
    const offsets = [0, 4 * 1024 * MIB - 3, 4 * 1024 * MIB + 12345, size - 100];
    const pieces = offsets.map((offset) => ({ offset, bytes: randomBytes(100) }));
    const file = join(site, 'sparse.bin');
    const handle = await open(file, 'w');
    await handle.truncate(size);
    for (const { offset, bytes } of pieces) await handle.write(bytes, 0, 100, offset);
    await handle.close();
    let at = 0;
    const wrongAt: number[] = [];
    const { head, bytes } = await download(server.port, '/sparse.bin', (data) => {
      if (!data.equals(sparse(at, data.length, pieces)) && wrongAt.length < 3) wrongAt.push(at);
      at += data.length;
    });
    expect(head).toMatch(/^HTTP\/1\.1 200 /);
    expect(head).toContain(`\r\nContent-Length: ${size}`);
    expect([bytes, wrongAt]).toEqual([size, []]);
    await rm(file);
  }, 180_000);

  test('HEAD has the headers of GET, and no body', async () => {
    for (const path of [
      '/size-0.bin',
      '/size-4096.bin',
      `/size-${MIB}.bin`,
      '/missing',
      '/folder',
    ]) {
      if (path === '/folder') await mkdir(join(site, 'folder'), { recursive: true });
      const whole = await get(server.port, path);
      const head = await get(server.port, path, { method: 'HEAD' });
      const { date: _a, ...expected } = whole.headers;
      const { date: _b, ...got } = head.headers;
      expect({ status: head.status, ...got }).toEqual({ status: whole.status, ...expected });
      expect(head.body.length).toBe(0);
    }
  });
});

describe('names', () => {
  const names: readonly (readonly [string, Buffer])[] = [
    ['spaces', Buffer.from('a file with  spaces.txt')],
    ['percent', Buffer.from('100%41.txt')],
    ['hash', Buffer.from('c#.txt')],
    ['question mark', Buffer.from('why?.txt')],
    ['plus', Buffer.from('c++.txt')],
    ['UTF-8', Buffer.from('Grüße-日本語-🎉.txt')],
    ['not UTF-8', Buffer.from([0x66, 0xff, 0xfe, 0x80, 0x2e, 0x74, 0x78, 0x74])],
    ['quotes and backslash', Buffer.from(`"it's"\\<&>.txt`)],
    ['control characters', Buffer.from('tab\tnew\nline\x7f.txt')],
    ['255 bytes', Buffer.from(`${'n'.repeat(251)}.txt`)],
  ];

  test.each(names)('%s', async (_title, name) => {
    const content = randomBytes(100);
    await writeFile(Buffer.concat([Buffer.from(`${site}/`), name]), content);
    const escaped = [...name].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
    const answer = await get(server.port, `/${escaped}`);
    expect(answer.status).toBe(200);
    expect(answer.body.equals(content)).toBe(true);
  });

  test('the query is no part of the name', async () => {
    await writeFile(join(site, 'q.txt'), 'q');
    expect((await get(server.port, '/q.txt?a=/../b#c')).body.toString()).toBe('q');
  });
});

describe('paths', () => {
  beforeAll(async () => {
    await mkdir(join(site, 'deep/er'), { recursive: true });
    await writeFile(join(site, 'deep/er/f.txt'), 'deep');
    await writeFile(join(site, '.hidden'), 'hidden');
    await mkdir(join(site, '.well-known'));
    await writeFile(join(site, '.well-known/x'), 'known');
  });

  test.each([
    ['/deep/er/f.txt', 200],
    ['//deep///er/./f.txt', 200],
    ['/deep/../deep/er/f.txt', 200],
    ['/deep%2Fer%2ff.txt', 200],
    ['/deep/%2e%2e/deep/er/f.txt', 200],
    ['/deep/er/f.txt/', 404],
    ['/deep/er/f.txt/x', 404],
    ['/nothing', 404],
    ['/../secret.txt', 400],
    ['/deep/../../secret.txt', 400],
    ['/%2e%2e/secret.txt', 400],
    ['/..%2fsecret.txt', 400],
    ['/%zz', 400],
    ['/%4', 400],
    ['/a%00b', 400],
    [`/${'n'.repeat(256)}`, 404],
    [`/${'d/'.repeat(2049)}`, 414],
    ['/.hidden', 404],
    ['/strict/.hidden', 200],
    ['/.well-known/x', 200],
    ['/foo/.glusterfs/', 404],
    ['/foo/.meta/version', 404],
    ['/deep/', 403],
  ])('%s answers %d', async (path, status) => {
    expect((await get(server.port, path)).status).toBe(status);
  });

  test.each([
    ['/deep', '/deep/'],
    ['/deep?x=1&y=%20', '/deep/?x=1&y=%20'],
    ['/foo', '/foo/'],
    ['//deep/../deep', '/deep/'],
  ])('%s is redirected to %s', async (path, location) => {
    const answer = await get(server.port, path);
    expect([answer.status, answer.headers.location]).toEqual([301, location]);
  });

  test('a Location stays on this host', async () => {
    await mkdir(join(site, 'evil.example'));
    const answer = await get(server.port, '//evil.example');
    expect(answer.headers.location).toBe('/evil.example/');
  });

  test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'TRACE'])('%s answers 405', async (method) => {
    const answer = await get(server.port, '/q.txt', { method });
    expect([answer.status, answer.headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS']);
  });

  test('OPTIONS answers 204', async () => {
    const answer = await get(server.port, '/q.txt', { method: 'OPTIONS' });
    expect([answer.status, answer.headers.allow]).toEqual([204, 'GET, HEAD, OPTIONS']);
    expect(answer.headers['content-length']).toBeUndefined();
  });
});

describe('mounts', () => {
  test('each path has its volume, the longest wins, and whole segments count', async () => {
    await writeFile(join(other, 'who.txt'), 'other');
    await writeFile(join(site, 'who.txt'), 'site');
    await writeFile(join(site, 'foobar.txt'), 'foobar');
    expect((await get(server.port, '/who.txt')).body.toString()).toBe('site');
    expect((await get(server.port, '/foo/who.txt')).body.toString()).toBe('other');
    expect((await get(server.port, '/foobar.txt')).body.toString()).toBe('foobar');
  });

  test.each([
    ['virtual.example', 'other'],
    ['Virtual.Example:8080', 'other'],
    ['virtual.example.', 'other'],
    ['a.b.wild.example', 'other'],
    ['wild.example', 'site'],
    ['elsewhere.example', 'site'],
  ])('host %s is served from %s', async (host, expected) => {
    const answer = await get(server.port, '/who.txt', { headers: { host } });
    expect(answer.body.toString()).toBe(expected);
  });

  test('the first index that exists', async () => {
    expect((await get(server.port, '/foo/')).status).toBe(403);
    await writeFile(join(other, 'index.html'), 'second');
    expect((await get(server.port, '/foo/')).body.toString()).toBe('second');
    await writeFile(join(other, 'start.html'), 'first');
    await until('the first index is seen', 3_000, async () => {
      return (await get(server.port, '/foo/')).body.toString() === 'first';
    });
  });

  test('types', async () => {
    const types: Record<string, string> = {
      'a.html': 'text/html; charset=utf-8',
      'a.svg': 'image/svg+xml; charset=utf-8',
      'a.json': 'application/json; charset=utf-8',
      'a.png': 'image/png',
      'A.JPG': 'image/jpeg',
      'a.foo': 'text/x-foo; charset=utf-8',
      'a.unheardof': 'application/octet-stream',
      Makefile: 'application/octet-stream',
    };
    for (const [name, type] of Object.entries(types)) {
      await writeFile(join(site, name), 'x');
      expect([name, (await get(server.port, `/${name}`)).headers['content-type']]).toEqual([
        name,
        type,
      ]);
    }
  });
});

describe('symbolic links', () => {
  beforeAll(async () => {
    await mkdir(join(site, 'releases/1'), { recursive: true });
    await mkdir(join(site, 'releases/2'));
    await writeFile(join(site, 'releases/1/v.txt'), 'one');
    await writeFile(join(site, 'releases/2/v.txt'), 'two');
    await symlink('releases/1', join(site, 'current'));
    await symlink('/htdocs/releases/2/v.txt', join(site, 'absolute'));
    await symlink('../secret.txt', join(site, 'outside'));
    await symlink('loop-b', join(site, 'loop-a'));
    await symlink('loop-a', join(site, 'loop-b'));
    await symlink('nowhere', join(site, 'dangling'));
  });

  test.each([
    ['/current/v.txt', 200],
    ['/absolute', 200],
    ['/outside', 403],
    ['/follow/outside', 200],
    ['/strict/current/v.txt', 403],
    ['/loop-a', 404],
    ['/dangling', 404],
  ])('%s answers %d', async (path, status) => {
    expect((await get(server.port, path)).status).toBe(status);
  });

  test('a link that is switched atomically is seen within a second', async () => {
    expect((await get(server.port, '/current/v.txt')).body.toString()).toBe('one');
    await symlink('releases/2', join(site, 'next'));
    await rename(join(site, 'next'), join(site, 'current'));
    await until('the new release is served', 1_500, async () => {
      return (await get(server.port, '/current/v.txt')).body.toString() === 'two';
    });
  });
});

describe('validators', () => {
  test("Last-Modified is the file's, and the ETag changes with every write and rename over", async () => {
    const file = join(site, 'tag.txt');
    await writeFile(file, 'one');
    const first = await get(server.port, '/tag.txt');
    expect(first.headers.etag).toMatch(/^"[^"]+"$/);
    expect(Math.abs(Date.parse(first.headers['last-modified'] ?? '') - Date.now())).toBeLessThan(
      10_000,
    );
    await writeFile(file, 'two');
    await until(
      'the write is seen',
      3_000,
      async () => (await get(server.port, '/tag.txt')).body.toString() === 'two',
    );
    const second = await get(server.port, '/tag.txt');
    expect(second.headers.etag).not.toBe(first.headers.etag);
    await writeFile(`${file}.new`, 'two');
    await rename(`${file}.new`, file);
    await until('the rename is seen', 3_000, async () => {
      return (await get(server.port, '/tag.txt')).headers.etag !== second.headers.etag;
    });
  });

  test('no mixed body while another client rewrites the file, and no ETag that outlives its content', async () => {
    const file = join(site, 'busy.txt');
    await writeFile(file, '0'.repeat(5000));
    const seen = new Map<string, Set<number>>();
    const wrong: string[] = [];
    let answers = 0;
    const ask = async (): Promise<void> => {
      const answer = await get(server.port, '/busy.txt');
      if (answer.status !== 200) return;
      answers += 1;
      const text = answer.body.toString();
      const tag = answer.headers.etag ?? '';
      if (text !== text.slice(0, 1).repeat(5000))
        wrong.push(`mixed: ${[...new Set(text)].join('')}`);
      seen.set(tag, (seen.get(tag) ?? new Set()).add(Number(text.slice(0, 1))));
    };
    let writing = true;
    let last = 0;
    const writer = (async () => {
      for (; writing; last++) {
        const handle = await open(file, 'r+');
        await handle.write(String((last + 1) % 10).repeat(5000), 0);
        await handle.close();
      }
    })();
    const isEnough = (): boolean => answers > 60 && seen.size > 6;
    const [soon, latest] = [Date.now() + 4_000, Date.now() + 60_000];
    while (Date.now() < soon || (!isEnough() && Date.now() < latest)) await ask();
    writing = false;
    await writer;
    await ask();
    // A brick stores data before times: while a write is under way its content goes out under the ETag before it.
    for (const [tag, versions] of seen) {
      const [first = 0, second, ...more] = [...versions];
      const neighbours = second === undefined || [1, 9].includes(Math.abs(second - first));
      if (!neighbours || more.length > 0) wrong.push(`${tag} is of ${[...versions].join(', ')}`);
    }
    expect(wrong).toEqual([]);
    expect(answers).toBeGreaterThan(50);
    expect(seen.size).toBeGreaterThan(5);
    // Once the write has ended its ETag is its own.
    const { headers, body } = await get(server.port, '/busy.txt');
    expect(body.toString()).toBe(String(last % 10).repeat(5000));
    expect([...(seen.get(headers.etag ?? '') ?? [])]).toEqual([last % 10]);
  });
});

describe('permissions', () => {
  test('what a user may not read answers 403', async () => {
    const user = await Gfserve.start({
      server: 'user = nobody\ngroup = nogroup',
      config: `
[volume site]
servers = ${cluster.addresses.join(', ')}
[mount main]
path = /
volume = site
root = /htdocs
`,
    });
    try {
      await writeFile(join(site, 'private.txt'), 'private', { mode: 0o600 });
      await writeFile(join(site, 'public.txt'), 'public', { mode: 0o644 });
      await mkdir(join(site, 'closed'), { mode: 0o700 });
      await writeFile(join(site, 'closed/in.txt'), 'in', { mode: 0o644 });
      expect((await get(user.port, '/private.txt')).status).toBe(403);
      expect((await get(user.port, '/public.txt')).status).toBe(200);
      expect((await get(user.port, '/closed/in.txt')).status).toBe(403);
      await chmod(join(site, 'private.txt'), 0o644);
      await until(
        'the new mode is seen',
        3_000,
        async () => (await get(user.port, '/private.txt')).status === 200,
      );
    } finally {
      await user.stop();
    }
  });
});
