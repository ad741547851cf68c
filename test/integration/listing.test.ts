/** Listings of folders on real volumes, from the brick to the client. */
import { mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { abortAfter, get } from '../support/client.js';
import { Cluster } from '../support/cluster/cluster.js';
import { run } from '../support/cluster/exec.js';
import { Gfserve, until } from '../support/gfserve.js';

let cluster: Cluster;
let server: Gfserve;
let mounted: string;
let site: string;

const MANY = 6000;

beforeAll(async () => {
  cluster = await Cluster.up({ dir: await mkdtemp(join(tmpdir(), 'gfserve-listing-')), nodes: 2 });
  await cluster.createVolume('site', { bricks: 2 });
  mounted = await cluster.mount('site');
  site = join(mounted, 'htdocs');
  await mkdir(join(site, 'many'), { recursive: true });
  for (let i = 0; i < MANY; i += 50) {
    await Promise.all(
      Array.from({ length: 50 }, (_, k) => writeFile(join(site, 'many', manyName(i + k)), '')),
    );
  }
  const mount = (name: string, path: string, more: string): string => `
[mount ${name}]
path = ${path}
volume = site
root = /htdocs
${more}
`;
  server = await Gfserve.start({
    server: `listen[] = unix:${cluster.dir}/gfserve.sock`,
    config: `
[volume site]
servers = ${cluster.addresses.join(', ')}
${mount('main', '/', 'autoindex = html')}
${mount('json', '/json', 'autoindex = json')}
${mount('strict', '/strict', 'autoindex = json\nsymlinks = deny\nhidden = allow')}
${mount('follow', '/follow', 'autoindex = json\nsymlinks = follow')}
${mount('off', '/off', '')}
[mount volume]
path = /volume
volume = site
autoindex = json
hidden = allow
`,
  });
}, 240_000);

afterAll(async () => {
  await server?.stop();
  await cluster?.down();
}, 240_000);

const manyName = (i: number): string =>
  `${String((i * 7919) % MANY).padStart(5, '0')}-${'m'.repeat(i % 200)}`;

interface Entry {
  readonly name: string;
  readonly type: 'file' | 'directory';
  readonly mtime: string;
  readonly size?: number;
}

async function entries(path: string): Promise<Entry[]> {
  const { status, body } = await get(server.port, path);
  expect(status).toBe(200);
  return JSON.parse(body.toString('utf8')) as Entry[];
}

const namesOf = async (path: string): Promise<string[]> =>
  (await entries(path)).map(({ name }) => name);

describe('what is in a folder', () => {
  beforeAll(async () => {
    const dir = join(site, 'mixed');
    await mkdir(join(dir, 'folder'), { recursive: true });
    await mkdir(join(dir, '.well-known'));
    await writeFile(join(dir, 'file.txt'), 'x'.repeat(1234));
    await utimes(join(dir, 'file.txt'), 1420020000, 1420020000);
    await writeFile(join(dir, '.hidden'), '');
    await writeFile(Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0x66, 0xff])]), 'bytes');
    await symlink('file.txt', join(dir, 'link'));
    await symlink('folder', join(dir, 'linked-folder'));
    await symlink('nowhere', join(dir, 'dangling'));
    await symlink('/outside', join(dir, 'outside'));
    await writeFile(join(mounted, 'outside'), 'above the root');
    await run(['mkfifo', join(dir, 'fifo')]);
  });

  test('files and folders with sizes and dates; links are what they lead to', async () => {
    const found = await entries('/json/mixed/');
    expect(found.map(({ name, type }) => `${name} ${type}`)).toEqual([
      '.well-known directory',
      'folder directory',
      'linked-folder directory',
      'file.txt file',
      'f\ufffd file',
      'link file',
    ]);
    const date = 'Wed, 31 Dec 2014 10:00:00 GMT';
    expect(found.find(({ name }) => name === 'file.txt')).toMatchObject({
      size: 1234,
      mtime: date,
    });
    expect(found.find(({ name }) => name === 'link')).toMatchObject({ size: 1234, mtime: date });
  });

  test('each answers under its own link', async () => {
    const page = (await get(server.port, '/mixed/')).body.toString('utf8');
    const hrefs = [...page.matchAll(/<tr><td><a[^>]* href="\.\/([^"]*)"/g)].map(([, href]) => href);
    expect(hrefs).toHaveLength(6);
    for (const href of hrefs) {
      expect((await get(server.port, `/mixed/${href}`)).status).toBe(200);
    }
  });

  test('dates are those of Last-Modified', async () => {
    for (const { name, mtime } of (await entries('/json/mixed/')).filter(
      ({ type }) => type === 'file',
    )) {
      if (name.includes('\ufffd')) continue;
      const { headers } = await get(server.port, `/mixed/${name}`);
      expect([name, mtime]).toEqual([name, headers['last-modified']]);
    }
  });

  test('policies', async () => {
    expect(await namesOf('/strict/mixed/')).toEqual([
      '.well-known',
      'folder',
      '.hidden',
      'file.txt',
      'f\ufffd',
    ]);
    expect(await namesOf('/follow/mixed/')).toContain('outside');
  });

  test("a volume's root has none of GlusterFS' own", async () => {
    const names = await namesOf('/volume/');
    expect(names).toEqual(['htdocs', 'outside']);
  });

  test('an index comes first; without autoindex it is 403; without the slash 301', async () => {
    await mkdir(join(site, 'indexed'));
    await writeFile(join(site, 'indexed/index.html'), 'the index');
    expect((await get(server.port, '/indexed/')).body.toString()).toBe('the index');
    expect((await get(server.port, '/off/mixed/')).status).toBe(403);
    expect((await get(server.port, '/mixed')).status).toBe(301);
    expect((await get(server.port, '/nothing/')).status).toBe(404);
  });

  test('what changes is seen at the next request', async () => {
    const dir = join(site, 'changing');
    await mkdir(dir);
    expect(await entries('/json/changing/')).toEqual([]);
    await writeFile(join(dir, 'a'), '');
    expect(await namesOf('/json/changing/')).toEqual(['a']);
    await rename(join(dir, 'a'), join(dir, 'b'));
    expect(await namesOf('/json/changing/')).toEqual(['b']);
    await rm(dir, { recursive: true });
    await until('the folder is gone', 3_000, async () => {
      return (await get(server.port, '/json/changing/')).status === 404;
    });
  });

  test('HEAD has the headers of GET', async () => {
    for (const path of ['/mixed/', '/json/mixed/', '/mixed/?sort=size&order=desc']) {
      const whole = await get(server.port, path);
      const head = await get(server.port, path, { method: 'HEAD' });
      const { date: _a, ...expected } = whole.headers;
      const { date: _b, ...got } = head.headers;
      expect(got).toEqual(expected);
      expect(head.body.length).toBe(0);
    }
  });
});

describe('a long listing', () => {
  test('has each entry once, sorted, and comes in chunks', async () => {
    const { headers, body, complete } = await get(server.port, '/json/many/');
    expect([headers['transfer-encoding'], complete]).toEqual(['chunked', true]);
    const expected = Array.from({ length: MANY }, (_, i) => manyName(i)).sort();
    expect((JSON.parse(body.toString()) as Entry[]).map(({ name }) => name)).toEqual(expected);
  });

  test('a client that goes away leaves nothing behind', async () => {
    for (const bytes of [1, 10_000, 300_000]) await abortAfter(server.port, '/many/', bytes);
    for (let i = 0; i < 20; i++) {
      const socket = net.connect(server.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write('GET /many/ HTTP/1.1\r\nHost: x\r\n\r\n');
      await sleep(i * 3);
      socket.destroy();
    }
    await until('all is given back', 10_000, async () => {
      const { requests, memory, volumes } = await server.worker();
      const { blocksInUse, jobs } = { blocksInUse: -1, jobs: -1, ...memory };
      const open = volumes[0]?.native.openFiles;
      return [requests.active, open, blocksInUse, jobs].every((count) => count === 0);
    });
  });

  /** Takes what is there every 2 ms. Node's parser rejects what is not framed right. */
  const readSlowly = (socketPath: string, path: string): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const request = http.get({ socketPath, path, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (data: Buffer) => {
          chunks.push(data);
          response.pause();
          setTimeout(() => response.resume(), 2);
        });
        response.on('end', () => resolve(Buffer.concat(chunks)));
        response.on('error', reject);
      });
      request.on('error', reject);
    });

  test('clients that are always a little behind get every byte', async () => {
    const { body } = await get(server.port, '/many/');
    // A unix socket's buffer is small, and so is full again and again.
    const socketPath = join(cluster.dir, 'gfserve.sock');
    for (let i = 0; i < 5; i++) {
      const bodies = await Promise.all([1, 2, 3, 4].map(() => readSlowly(socketPath, '/many/')));
      for (const one of bodies) expect(one.equals(body)).toBe(true);
    }
  });

  test('a client that rests for longer than uWebSockets.js waits gets all of it', async () => {
    const whole = await get(server.port, '/many/');
    const got = await new Promise<number>((resolve, reject) => {
      const socket = net.connect(server.port, '127.0.0.1');
      let bytes = 0;
      let tail = '';
      socket.on('error', reject);
      socket.on('close', () => reject(new Error(`closed after ${bytes} bytes`)));
      socket.on('data', (data) => {
        if (bytes === 0) {
          socket.pause();
          setTimeout(() => socket.resume(), 15_000);
        }
        bytes += data.length;
        tail = (tail + data.toString('latin1')).slice(-5);
        if (tail === '0\r\n\r\n') {
          socket.removeAllListeners('close');
          socket.destroy();
          resolve(bytes);
        }
      });
      socket.write('GET /many/ HTTP/1.1\r\nHost: x\r\n\r\n');
    });
    expect(got).toBeGreaterThan(whole.body.length);
  });
});
