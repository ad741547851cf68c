/** Where gfserve listens: IPv4, IPv6, unix sockets; and what raw connections get. */

import { existsSync, statSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Cluster } from '../support/cluster/cluster.js';
import { Gfserve, until } from '../support/gfserve.js';
import { freePort } from '../support/ports.js';

let cluster: Cluster;
let config: string;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gfserve-listeners-'));
  cluster = await Cluster.up({ dir: join(dir, 'cluster'), nodes: 1 });
  await cluster.createVolume('site', { bricks: 1 });
  await writeFile(join(await cluster.mount('site'), 'f.txt'), 'content');
  config = `
[volume site]
servers = ${cluster.addresses.join(', ')}
[mount main]
path = /
volume = site
`;
}, 240_000);

afterAll(async () => {
  await cluster?.down();
  await rm(dir, { recursive: true, force: true });
}, 240_000);

function fetchText(options: http.RequestOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    http
      .get({ ...options, path: '/f.txt', agent: false }, (response) => {
        let text = '';
        response.on('data', (data: Buffer) => {
          text += data.toString();
        });
        response.on('end', () => resolve(`${response.statusCode} ${text}`));
      })
      .on('error', reject);
  });
}

/** Sends bytes as they are and returns all that comes until the connection ends or `ms` have passed. */
function raw(port: number, data: string | Buffer, ms = 500): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = net.connect(port, '127.0.0.1', () => socket.write(data));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
    setTimeout(() => socket.destroy(), ms);
  });
}

test('IPv4, IPv6, every interface, and unix sockets of two workers', async () => {
  const [v6, all] = [await freePort(), await freePort()];
  const server = await Gfserve.start({
    config,
    workers: 2,
    server: `listen[] = [::1]:${v6}\nlisten[] = :${all}\nlisten[] = unix:${dir}/gfserve-%w.sock`,
  });
  expect(await fetchText({ host: '127.0.0.1', port: server.port })).toBe('200 content');
  expect(await fetchText({ host: '::1', port: v6 })).toBe('200 content');
  expect(await fetchText({ host: '127.0.0.1', port: all })).toBe('200 content');
  expect(await fetchText({ host: '::1', port: all })).toBe('200 content');
  for (const number of [1, 2]) {
    const socketPath = join(dir, `gfserve-${number}.sock`);
    expect(statSync(socketPath).mode & 0o777).toBe(0o666);
    expect(await fetchText({ socketPath })).toBe('200 content');
  }
  for (const text of [`[::1]:${v6}`, 'gfserve-%w.sock', 'volume site', 'mount main']) {
    expect(server.log).toContain(text);
  }
  // A worker's death leaves a stale socket file, which its successor takes over.
  const victim = (await server.workers())[0];
  if (!victim) throw new Error('no worker');
  process.kill(victim.pid, 'SIGKILL');
  const socketPath = join(dir, `gfserve-${victim.number}.sock`);
  await until('the socket answers again', 5_000, async () => {
    return (await fetchText({ socketPath }).catch(() => '')) === '200 content';
  });
  expect((await server.stop()).code).toBe(0);
  expect(existsSync(join(dir, 'gfserve-1.sock'))).toBe(false);
});

test('a second gfserve on the same port is refused, and says why', async () => {
  const first = await Gfserve.start({ config });
  const second = await Gfserve.spawn({ config, server: `listen[] = 127.0.0.1:${first.port}` });
  expect((await second.exited).code).toBe(1);
  expect(second.log).toMatch(/GFS_LISTEN.*something listens there already/);
  expect(await fetchText({ host: '127.0.0.1', port: first.port })).toBe('200 content');
  await second.stop();
  await first.stop();
});

describe('raw connections', () => {
  let server: Gfserve;
  beforeAll(async () => {
    server = await Gfserve.start({ config: `[limits]\nmax-header-size = 8K\n${config}` });
  });
  afterAll(async () => {
    await server.stop();
  });

  const GET = 'GET /f.txt HTTP/1.1\r\nHost: a\r\n';

  test.each([
    ['HTTP/1.0', 'GET /f.txt HTTP/1.0\r\nHost: a\r\n\r\n', /^HTTP\/1\.1 505 /],
    [
      'garbage',
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
      /^(HTTP\/1\.1 (400|505) |$)/,
    ],
    ['no Host', 'GET /f.txt HTTP/1.1\r\nX: y\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['headers within the limit', `${GET}X: ${'x'.repeat(7000)}\r\n\r\n`, /^HTTP\/1\.1 200 /],
    ['headers past the limit', `${GET}X: ${'x'.repeat(20000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
    [
      'a body on GET',
      `${GET}Content-Length: 3\r\n\r\nabc`,
      /^HTTP\/1\.1 200 [\s\S]*Connection: close[\s\S]*content$/,
    ],
    [
      'a chunked body on GET',
      `${GET}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
      /^HTTP\/1\.1 (200|400) /,
    ],
    ['raw bytes in the path', 'GET /\xff.txt HTTP/1.1\r\nHost: a\r\n\r\n', /^HTTP\/1\.1 400 /],
    [
      'a smuggled header',
      'GET /f.txt%0d%0aX-Evil:1 HTTP/1.1\r\nHost: a\r\n\r\n',
      /^HTTP\/1\.1 404 (?![\s\S]*X-Evil)/,
    ],
  ])('%s', async (_name, request, expected) => {
    expect(await raw(server.port, Buffer.from(request, 'latin1'))).toMatch(expected);
    expect(await fetchText({ host: '127.0.0.1', port: server.port })).toBe('200 content');
  });

  test.each([9, 21, 25, 30, 35])(
    'a request that arrives in two pieces, the first of %d bytes',
    async (at) => {
      const request = `${GET}\r\n`;
      const answer = await new Promise<string>((resolve) => {
        let text = '';
        const socket = net.connect(server.port, '127.0.0.1', () =>
          socket.write(request.slice(0, at)),
        );
        socket.setNoDelay(true);
        setTimeout(() => socket.write(request.slice(at)), 50);
        socket.on('data', (data) => {
          text += data.toString();
          if (text.endsWith('content')) socket.destroy();
        });
        socket.on('close', () => resolve(text));
      });
      expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*content$/);
    },
  );

  test('nothing of it stays behind', async () => {
    await until('all connections are gone', 5_000, async () => {
      const { requests, connections } = await server.worker();
      return requests.active === 0 && (connections ?? 0) === 0;
    });
  });
});

test('the access log has one line a request, with what was sent', async () => {
  const file = join(dir, 'access.log');
  const server = await Gfserve.start({
    config: `[log]\naccess = ${file}\nformat = json\n${config}`,
  });
  await fetchText({ host: '127.0.0.1', port: server.port });
  await raw(server.port, 'GET /missing?a="b HTTP/1.1\r\nHost: h\r\nUser-Agent: "x\\y\r\n\r\n', 200);
  await server.stop();
  const lines = (await readFile(file, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  expect(lines).toMatchObject([
    {
      client: '127.0.0.1',
      method: 'GET',
      path: '/f.txt',
      status: 200,
      bytes: 7,
      mount: 'main',
      volume: 'site',
    },
    { host: 'h', path: '/missing?a="b', status: 404, user_agent: '"x\\y' },
  ]);
});
