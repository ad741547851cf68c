/** Debian's nginx with conf/nginx.conf in front of gfserve, by TCP and by unix sockets: what it passes on, and for how long. */

import { readFileSync, statSync } from 'node:fs';
import { chmod, mkdtemp, open, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Asker } from '../support/asker.js';
import {
  type Answer,
  abortAfter,
  fileHash,
  get,
  getHash,
  leaveAfter,
  raw,
  sha256,
} from '../support/client.js';
import { Cluster } from '../support/cluster/cluster.js';
import { run } from '../support/cluster/exec.js';
import { comparable } from '../support/comparable.js';
import { type Gfserve, until } from '../support/gfserve.js';
import { Nginx, type UpstreamKind } from '../support/nginx.js';
import { REQUESTS, type Row, titled } from '../support/nginx_requests.js';
import { RESTS, type Resting, startResting } from '../support/nginx_resting.js';
import {
  ACROSS_4_GIB,
  type Backend,
  fillSite,
  LARGE,
  MIB,
  SPARSE,
  startable,
  TEXT,
} from '../support/nginx_site.js';
import { readWithRests } from '../support/resting_reader.js';

const KINDS = ['tcp', 'unix'] as const;

let dir: string;
let cluster: Cluster;
let htdocs: string;
let server: Gfserve;
let mainSockets: string;
let nginx: Readonly<Record<UpstreamKind, Nginx>>;
/** A second gfserve, with nginxes of its own, for the clients that rest while the other tests run. */
let restingServer: Gfserve;
const restingNginx: Nginx[] = [];
/** Begun before the first test, awaited by the last ones. */
let resting: Readonly<Record<UpstreamKind, Resting>>;

/** Each client has an nginx of its own, so that what that reads is for this client only. */
async function atRest(upstream: UpstreamKind, { port, sockets }: Backend): Promise<Resting> {
  const forReader = await Nginx.start({ upstream, port, sockets });
  restingNginx.push(forReader);
  const forIdler = await Nginx.start({ upstream, port, sockets });
  restingNginx.push(forIdler);
  return startResting(forReader, forIdler, '/large.bin', restingServer);
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gfserve-nginx-test-'));
  await chmod(dir, 0o755);
  // In a folder of its own right in the temporary folder, where the next run would find what an interrupted one leaves.
  const clusterDir = await mkdtemp(join(tmpdir(), 'gfserve-nginx-cluster-'));
  cluster = await Cluster.up({ dir: clusterDir, nodes: 1 });
  for (const name of ['site', 'other']) await cluster.createVolume(name, { bricks: 1 });
  const mounted = await cluster.mount('site');
  htdocs = join(mounted, 'htdocs');
  await fillSite(mounted);
  const rest = await startable(cluster, dir, 'rest-', 'send-timeout = 40s\n[log]\naccess = stdout');
  restingServer = await rest.start();
  resting = { tcp: await atRest('tcp', rest), unix: await atRest('unix', rest) };
  const main = await startable(cluster, dir, 'main-');
  mainSockets = main.sockets;
  server = await main.start();
  nginx = {
    tcp: await Nginx.start({ upstream: 'tcp', ...main }),
    unix: await Nginx.start({ upstream: 'unix', ...main }),
  };
}, 240_000);

afterAll(async () => {
  for (const one of [...Object.values(nginx ?? {}), ...restingNginx]) await one.stop();
  await server?.stop();
  await restingServer?.stop();
  await cluster?.down();
  await rm(dir, { recursive: true, force: true });
}, 240_000);

describe.each(KINDS)('%s: what is passed on is what gfserve answers', (kind) => {
  async function compare(method: string, [path, status, given = {}]: Row): Promise<Answer> {
    const { etag = '' } = (await get(server.port, path, { headers: given })).headers;
    const headers = Object.fromEntries(
      Object.entries({ Host: 'some.example', ...given }).map(([name, value]) => [
        name,
        value.replace('TAG', etag),
      ]),
    );
    const direct = await get(server.port, path, { method, headers });
    const proxied = await get(nginx[kind].port, path, { method, headers });
    expect(direct.status).toBe(status);
    expect(comparable(proxied)).toEqual(comparable(direct));
    expect(proxied.headers.server).toMatch(/^nginx/);
    expect(Math.abs(Date.parse(proxied.headers.date ?? '') - Date.now())).toBeLessThan(60_000);
    return proxied;
  }

  test.each(titled(REQUESTS))('GET %s', async (_title, row) => {
    await compare('GET', row);
  });

  test('HEAD of all of them', async () => {
    for (const row of REQUESTS) {
      const [path, status, headers = {}] = row;
      // HEAD knows no ranges.
      const expected = status === 206 || status === 416 ? 200 : status;
      const { body } = await compare('HEAD', [path, expected, headers]);
      expect(body.length).toBe(0);
    }
  });

  test.each([
    ['OPTIONS', 204],
    ['POST', 405],
    ['DELETE', 405],
    ['PROPFIND', 405],
  ])('%s', async (method, status) => {
    const { headers } = await compare(method, ['/a.txt', status]);
    expect(headers.allow).toBe('GET, HEAD, OPTIONS');
  });

  test.each([
    ['/%zz', 400],
    ['/%4', 400],
    ['/a%00b', 400],
    ['/../a.txt', 400],
    ['/dir/../../a.txt', 400],
    ['/%2e%2e/a.txt', 400],
    ['/dir/..%2f../a.txt', 400],
    [`/${'n'.repeat(9000)}`, 414],
  ])('%s is refused by nginx itself, with the status that gfserve has', async (path, status) => {
    expect((await get(server.port, path)).status).toBe(status);
    expect((await get(nginx[kind].port, path)).status).toBe(status);
    if (status === 400) expect((await nginx[kind].logged(path)).upstreamStatuses).toEqual([]);
  });

  test('the host that a client names chooses the mount', async () => {
    for (const [host, expected] of [
      ['example.org', 'by host'],
      ['EXAMPLE.org:8000', 'by host'],
      ['other.example', '404 Not Found: There is no such file\n'],
    ] as const) {
      const answer = await get(nginx[kind].port, '/host/', { headers: { Host: host } });
      expect([host, answer.body.toString()]).toEqual([host, expected]);
    }
  });
});

/** What `/large.bin` must be. */
const wholeLarge = async (): Promise<object> => ({
  status: 200,
  bytes: LARGE,
  sha256: await fileHash(join(htdocs, 'large.bin')),
  complete: true,
});

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

/** The body of a raw answer. */
const bodyOf = (text: string): string => text.slice(text.indexOf('\r\n\r\n') + 4);

describe.each(KINDS)('%s: requests of other kinds', (kind) => {
  test.each([
    ['without Host', '', 'by host'],
    [
      'with the Host of another mount',
      'Host: other.example\r\n',
      '404 Not Found: There is no such file\n',
    ],
    ['with Host', 'Host: example.org\r\n', 'by host'],
  ])('HTTP/1.0 %s', async (_title, host, expected) => {
    const { port } = nginx[kind];
    const answer = await raw(port, `GET /host/ HTTP/1.0\r\n${host}\r\n`);
    expect(bodyOf(answer)).toBe(expected);
    const text = await raw(port, `GET /a.txt HTTP/1.0\r\n${host}\r\n`);
    expect(text).toMatch(
      /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\nConnection: close\r\n[\s\S]*\r\n\r\nhello world\n$/,
    );
    const head = await raw(port, `HEAD /a.txt HTTP/1.0\r\n${host}\r\n`);
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\nContent-Length: 12\r\n[\s\S]*\r\n\r\n$/);
    const range = await raw(port, `GET /a.txt HTTP/1.0\r\n${host}Range: bytes=-6\r\n\r\n`);
    expect(range).toMatch(/^HTTP\/1\.1 206 [\s\S]*\r\n\r\nworld\n$/);
  });

  test('HTTP/1.0: bodies of any length, and of none that is known', async () => {
    for (const path of ['/size-0.bin', '/size-10485761.bin', '/html/many/', '/json/many/']) {
      const direct = await get(server.port, path);
      const answer = await raw(nginx[kind].port, `GET ${path} HTTP/1.0\r\n\r\n`);
      expect(answer).not.toMatch(/\r\nTransfer-Encoding:/i);
      const body = Buffer.from(bodyOf(answer), 'latin1');
      expect([path, sha256(body)]).toEqual([path, sha256(direct.body)]);
    }
  });

  test('HTTP/1.0 with keep-alive: the connection is kept', async () => {
    const request = 'GET /a.txt HTTP/1.0\r\n';
    const both = `${request}Connection: keep-alive\r\n\r\n${request}\r\n`;
    const answer = await raw(nginx[kind].port, both);
    expect(answer.match(/\r\nConnection: (keep-alive|close)\r\n/g)).toEqual([
      '\r\nConnection: keep-alive\r\n',
      '\r\nConnection: close\r\n',
    ]);
    expect(answer.split(`\r\n\r\n${TEXT}`).length).toBe(3);
  });

  test('a head longer than max-header-size: 431', async () => {
    const headers = { A: 'a'.repeat(7000), B: 'b'.repeat(7000), C: 'c'.repeat(7000) };
    expect((await get(nginx[kind].port, '/a.txt', { headers })).status).toBe(431);
  });

  test.each([10, 100_000, 1_000_000])('POST with a body of %d bytes: 405', async (size) => {
    for (let i = 0; i < 10; i++) {
      const head = `POST /a.txt HTTP/1.0\r\nContent-Length: ${size}\r\n\r\n`;
      const answer = await raw(nginx[kind].port, head + 'x'.repeat(size));
      expect(answer).toMatch(/^HTTP\/1\.1 405 [\s\S]*\r\nAllow: GET, HEAD, OPTIONS\r\n/);
    }
  });

  test.each([10, 100_000, 1_000_000])('GET with a body of %d bytes is answered', async (size) => {
    for (let i = 0; i < 10; i++) {
      const head = `GET /a.txt HTTP/1.0\r\nContent-Length: ${size}\r\n\r\n`;
      const answer = await raw(nginx[kind].port, head + 'x'.repeat(size));
      expect(bodyOf(answer)).toBe(TEXT);
    }
  });
});

describe.each(KINDS)('%s: connections to gfserve', (kind) => {
  async function ask(one: Nginx, count: number, agent?: http.Agent): Promise<void> {
    for (let i = 0; i < count; i++) {
      const { status, body } = await get(one.port, '/a.txt', agent ? { agent } : {});
      expect([status, body.toString()]).toEqual([200, TEXT]);
    }
  }

  test('hundreds of requests share a few', async () => {
    const one = nginx[kind];
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const count = await one.connectionsOpened(`/a.txt?${kind}`, async () => {
      await ask(one, 200, agent);
      await ask(one, 200);
    });
    agent.destroy();
    // Each of nginx's workers keeps its own, to each of gfserve's.
    expect(count).toBeLessThanOrEqual(one.workers().length * 2);
    expect(sum((await server.workers()).map(({ connections = 0 }) => connections))).toBeGreaterThan(
      0,
    );
  });

  test.each([
    ['proxy_http_version 1.1;', 505],
    ['proxy_set_header Connection "";', 200],
  ])('without %s it would not do', async (without, status) => {
    const port = server.port;
    const sockets = mainSockets;
    const other = await Nginx.start({ upstream: kind, port, sockets, without });
    try {
      expect((await get(other.port, '/a.txt')).status).toBe(status);
      if (status !== 200) return;
      expect(await other.connectionsOpened('/a.txt?', () => ask(other, 50))).toBeGreaterThanOrEqual(
        50,
      );
    } finally {
      await other.stop();
    }
  });

  test("nginx's user may connect to unix sockets of another user's", async () => {
    const user = Number(await run(['id', '-u', 'www-data']));
    expect(nginx[kind].workers().length).toBeGreaterThan(0);
    for (const pid of nginx[kind].workers()) {
      const [, uid] = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
      expect(Number(uid)).toBe(user);
    }
    for (const number of [1, 2]) {
      const { mode, uid } = statSync(join(mainSockets, `worker-${number}.sock`));
      expect([mode & 0o777, uid === user]).toEqual([0o666, false]);
    }
    await ask(nginx[kind], 4);
  });
});

describe.each(KINDS)('%s: large files', (kind) => {
  test('300 MiB', async () => {
    const answer = await getHash(nginx[kind].port, '/large.bin');
    expect(answer).toEqual(await wholeLarge());
  });

  test('a range across 4 GiB of 6 GiB', async () => {
    const { start, length } = ACROSS_4_GIB;
    const Range = `bytes=${start}-${start + length - 1}`;
    const answer = await get(nginx[kind].port, '/sparse.bin', { headers: { Range } });
    expect([answer.status, answer.headers['content-range']]).toEqual([
      206,
      `bytes ${start}-${start + length - 1}/${SPARSE}`,
    ]);
    const file = await open(join(htdocs, 'sparse.bin'));
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, start);
    await file.close();
    expect(answer.body.equals(buffer)).toBe(true);
    const last = { Range: `bytes=${SPARSE - 1}-` };
    const end = await get(nginx[kind].port, '/sparse.bin', { headers: last });
    expect([end.status, [...end.body]]).toEqual([206, [0]]);
  });
});

test('a volume that does not answer: the 504 is the one of gfserve', async () => {
  await cluster.stopBrick('other', 0);
  try {
    const ports = [server.port, nginx.tcp.port, nginx.unix.port];
    const answers = await Promise.all(ports.map((port) => get(port, '/other/x')));
    const [direct, ...proxied] = answers.map(comparable);
    expect(direct).toMatchObject({ status: 504 });
    for (const one of proxied) expect(one).toEqual(direct);
  } finally {
    await cluster.contBrick('other', 0);
  }
});

describe.each(KINDS)('%s: clients that go away', (kind) => {
  test('500 at any point: nothing of theirs stays in gfserve', async () => {
    const { port } = nginx[kind];
    let left = 500;
    const client = async (): Promise<void> => {
      for (let i = left--; i > 0; i = left--) {
        if (i % 4 === 0) await leaveAfter(port, '/large.bin', Math.random() * 10);
        else if (i % 4 === 1) await leaveAfter(port, '/html/many/', Math.random() * 30);
        else await abortAfter(port, '/large.bin', 1 + Math.floor(Math.random() * 8 * MIB));
      }
    };
    await Promise.all(Array.from({ length: 8 }, client));
    // Connections last: nginx keeps idle ones for 5 s.
    await until('gfserve is at rest', 30_000, async () =>
      (await server.workers()).every(({ requests, connections, volumes, memory }) => {
        const { blocksInUse, jobs } = memory as { blocksInUse?: number; jobs?: number };
        const isIdle = requests.active === 0 && connections === 0 && blocksInUse === 0;
        return isIdle && jobs === 0 && volumes.every(({ native }) => native.openFiles === 0);
      }),
    );
    expect((await get(port, '/a.txt')).body.toString()).toBe(TEXT);
    expect((await getHash(port, '/size-10485761.bin')).sha256).toBe(
      await fileHash(join(htdocs, 'size-10485761.bin')),
    );
  });
});

describe.each(KINDS)('%s: gfserve ends behind nginx', (upstream) => {
  let behind: Backend;
  let own: Gfserve;
  let front: Nginx;

  beforeAll(async () => {
    behind = await startable(cluster, dir, 'end-');
    own = await behind.start();
    front = await Nginx.start({ upstream, ...behind });
  });

  afterAll(async () => {
    await front?.stop();
    await own?.stop();
  });

  const askers = (): Asker[] =>
    Array.from({ length: 4 }, () => new Asker(front.port, '/a.txt', TEXT));

  test('SIGTERM and a new start: 502 until it is there, and never a wrong answer', async () => {
    const clients = askers();
    let isUnderWay = false;
    const draining = async (): Promise<void> => {
      isUnderWay = true;
      await until('the drain', 30_000, () => own.log.includes('SIGTERM'));
    };
    const download = readWithRests(front.port, '/large.bin', [{ at: MIB, until: draining }]);
    await until('all have answers', 30_000, () => clients.every(({ right }) => right > 20));
    await until('the download is under way', 30_000, () => isUnderWay);
    const exit = own.stop();
    expect(await download).toEqual(await wholeLarge());
    expect((await exit).code).toBe(0);
    await until('all get 502', 30_000, () => clients.every(({ last }) => last === 502));
    own = await behind.start();
    for (const client of clients) client.mark();
    await until('all have answers again', 30_000, () =>
      clients.every(({ rightSinceMark }) => rightSinceMark > 20),
    );
    for (const client of clients) await client.stop();
    const wrong = clients.flatMap((client) => client.wrong);
    expect(new Set(wrong)).toEqual(new Set(['502']));
  });

  test('kill -9 of a worker under load: the other answers', async () => {
    const clients = askers();
    await until('all have answers', 30_000, () => clients.every(({ right }) => right > 50));
    const [victim] = await own.workers();
    if (!victim) throw new Error('no worker');
    process.kill(victim.pid, 'SIGKILL');
    await workersBack(victim.pid);
    for (const client of clients) client.mark();
    await until('all have answers again', 30_000, () =>
      clients.every(({ rightSinceMark }) => rightSinceMark > 50),
    );
    for (const client of clients) await client.stop();
    const wrong = clients.flatMap((client) => client.wrong);
    // What the dead one had is asked for once more, and what comes to its socket waits for its successor.
    expect(wrong).toEqual([]);
  });

  async function workersBack(dead: number): Promise<void> {
    await until('two workers are there', 30_000, async () => {
      const pids = (await own.workers()).map(({ pid }) => pid);
      return pids.length === 2 && !pids.includes(dead);
    });
  }

  test('what a worker had not answered when it died, another does; a file that it was sending ends early', async () => {
    let killed = false;
    let isUnderWay = false;
    const death = async (): Promise<void> => {
      isUnderWay = true;
      await until('the death of the worker', 60_000, () => killed);
    };
    const download = readWithRests(front.port, '/large.bin', [{ at: MIB, until: death }]);
    // Without a byte of it, nginx would ask the other worker for it, too.
    await until('the download is under way', 30_000, () => isUnderWay);
    const victim = (await own.workers()).find(({ requests }) => requests.active === 1);
    if (!victim) throw new Error('nobody sends the download');
    // It takes no more requests, but the kernel still takes connections for it.
    process.kill(victim.pid, 'SIGSTOP');
    let answered = 0;
    const answers = Array.from({ length: 32 }, async () => {
      const { status, body } = await get(front.port, '/a.txt');
      answered += 1;
      return `${status} ${body}`;
    });
    try {
      await until('the other worker has answered its own', 30_000, async () => {
        const before = answered;
        await sleep(500);
        return before > 0 && answered === before;
      });
      expect(answered).toBeLessThan(answers.length);
    } finally {
      process.kill(victim.pid, 'SIGKILL');
      killed = true;
    }
    expect(new Set(await Promise.all(answers))).toEqual(new Set([`200 ${TEXT}`]));
    const { status, bytes, complete } = await download;
    expect([status, complete]).toEqual([200, false]);
    expect(bytes).toBeLessThan(LARGE);
    await workersBack(victim.pid);
  });
});

describe.each(KINDS)('%s: clients that rest', (kind) => {
  test('one that takes minutes gets the whole file', async () => {
    const { reader, seen } = resting[kind];
    expect(await reader).toEqual(await wholeLarge());
    expect(seen.length).toBe(RESTS.length);
    // gfserve was not done with it in any of the rests, so it had to wait.
    for (const bytes of seen) expect(bytes).toBeLessThan(LARGE - 8 * MIB);
  }, 240_000);

  test('one that never goes on is given up after send-timeout', async () => {
    const { idler, idledMs } = resting[kind];
    const { status, bytes, complete } = await idler;
    expect([status, complete]).toEqual([200, false]);
    expect(bytes).toBeLessThan(LARGE);
    // Not by uWebSockets.js' own 10 s.
    expect(idledMs()).toBeGreaterThan(30_000);
  }, 240_000);
});
