/** A new configuration under load: who is served by whom, and that nobody notices. */

import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { errnoOf } from '../../src/observe/log.js';
import { get, SlowReader } from '../support/client.js';
import { Cluster } from '../support/cluster/cluster.js';
import { Gfserve, type GfserveOptions, until } from '../support/gfserve.js';
import { type KeepAliveCounts, KeepAliveLoad } from '../support/keep_alive.js';
import { freePort } from '../support/ports.js';
import { isAlive } from '../support/supervised.js';

const LARGE_BYTES = 40 << 20;

let cluster: Cluster;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gfserve-reload-'));
  cluster = await Cluster.up({ dir: join(dir, 'cluster'), nodes: 1 });
  await cluster.createVolume('site', { bricks: 1 });
  const site = await cluster.mount('site');
  await writeFile(join(site, 'f.txt'), 'content');
  await writeFile(join(site, 'large.bin'), Buffer.alloc(LARGE_BYTES, 'x'));
}, 240_000);

afterAll(async () => {
  await cluster?.down();
  await rm(dir, { recursive: true, force: true });
}, 240_000);

/** The root, and a mount of its own for each name. */
function siteWith(...mounts: readonly string[]): string {
  const extra = mounts.map((name) => `[mount ${name}]\npath = /${name}\nvolume = site\n`);
  return `[volume site]
servers = ${cluster.addresses.join(', ')}
[mount main]
path = /
volume = site
${extra.join('')}`;
}

async function statusOf(port: number, path: string): Promise<number> {
  return (await get(port, path)).status;
}

const untouched = { lostFirst: 0, lostLater: 0, closedIdle: 0, wrong: [], errors: {} };

/** Every answer was right, and every connection ended as it had been said. */
function expectUntouched(counts: KeepAliveCounts): void {
  expect(counts).toMatchObject(untouched);
  expect(counts.right).toBeGreaterThan(counts.opened);
}

test('ten reloads under load, three of them refused: no request and no connection is lost', async () => {
  const taken = net.createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const address = taken.address();
  const takenPort = typeof address === 'object' && address !== null ? address.port : 0;
  const server = await Gfserve.start({ config: siteWith(), workers: 2 });
  const where = { port: server.port };
  const common = { where, url: '/f.txt', expected: '200 content' };
  const loads = [
    new KeepAliveLoad({ ...common, connections: 48, pauseMs: 30 }),
    new KeepAliveLoad({ ...common, connections: 16, pauseMs: 400 }),
    new KeepAliveLoad({ ...common, connections: 8, pauseMs: 5, perConnection: 1 }),
  ];
  try {
    const before = await server.workers();
    const steps: readonly (readonly [GfserveOptions, RegExp | null])[] = [
      [{ config: siteWith('a'), workers: 2 }, null],
      [
        { config: siteWith('b'), workers: 2, server: 'colour = red' },
        /server\.ini:\d+: \[server\] colour/,
      ],
      [{ config: siteWith('c'), workers: 2 }, null],
      [{ config: siteWith('d'), workers: 2 }, null],
      [
        { config: `${siteWith('e')}[mount bad]\npath = x\n`, workers: 2 },
        /ini:\d+: \[mount bad\] volume: .*\n.*ini:\d+: \[mount bad\] path: /,
      ],
      [{ config: siteWith('f'), workers: 2 }, null],
      [
        { config: siteWith('g'), workers: 2, server: `listen[] = 127.0.0.1:${takenPort}` },
        /GFS_LISTEN/,
      ],
      [{ config: siteWith('h'), workers: 2 }, null],
      [{ config: siteWith('i'), workers: 2 }, null],
      [{ config: siteWith('j'), workers: 2 }, null],
    ];
    let served = '';
    for (const [options, error] of steps) {
      await server.configure(options);
      const { outcome, problems } = await server.sighup();
      expect(outcome).toBe(error ? 'refused' : 'applied');
      expect(problems.join('\n')).toMatch(error ?? /^$/);
      const [, name = ''] = /\[mount (\w)\]/.exec(options.config) ?? [];
      if (!error) served = name;
      expect(await statusOf(server.port, `/${served}/f.txt`)).toBe(200);
      if (error) expect(await statusOf(server.port, `/${name}/f.txt`)).toBe(404);
    }
    const counts = await Promise.all(loads.map((load) => load.stop()));
    for (const each of counts.slice(0, 2)) {
      expectUntouched(each);
      expect(each.announced).toBeGreaterThan(0);
    }
    expect(counts[2]).toMatchObject(untouched);
    expect(counts[2]?.right).toBeGreaterThan(500);
    expect(await server.reloads()).toMatchObject({ applied: 7, failed: 3, underWay: false });
    const after = await server.workers();
    expect(after).toHaveLength(2);
    expect(after.filter(({ pid }) => before.some((each) => each.pid === pid))).toEqual([]);
  } finally {
    await Promise.all(loads.map((load) => load.stop()));
    expect((await server.stop()).code).toBe(0);
    await new Promise((resolve) => taken.close(resolve));
  }
}, 240_000);

async function textOver(socketPath: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    const request = http.get({ socketPath, path: '/f.txt', agent: false }, (response) => {
      let text = '';
      response.on('data', (data: Buffer) => {
        text += data.toString();
      });
      response.on('end', () => resolve(`${response.statusCode} ${text}`));
    });
    request.on('error', reject);
  });
}

/** How a request fails, by its errno; 'answered': it does not. */
async function refusal(port: number): Promise<string> {
  try {
    await get(port, '/f.txt');
    return 'answered';
  } catch (error) {
    return errnoOf(error);
  }
}

test('clients that come for one request only are all served, whichever worker they meet', async () => {
  const server = await Gfserve.start({ config: siteWith(), workers: 2 });
  // So few at a time that a retiring worker often has none: it must not take that for the end while it accepts.
  const load = new KeepAliveLoad({
    where: { port: server.port },
    url: '/f.txt',
    expected: '200 content',
    connections: 4,
    pauseMs: 0,
    perConnection: 1,
  });
  try {
    for (let round = 0; round < 8; round += 1) {
      expect((await server.sighup()).outcome).toBe('applied');
    }
    const counts = await load.stop();
    expect(counts).toMatchObject(untouched);
    expect(counts.right).toBeGreaterThan(500);
  } finally {
    await load.stop();
    expect((await server.stop()).code).toBe(0);
  }
}, 240_000);

test('workers up and down, a port more and a port less; connections that are kept lose nothing', async () => {
  const server = await Gfserve.start({ config: siteWith(), workers: 1 });
  const common = { url: '/f.txt', expected: '200 content', connections: 16, pauseMs: 20 };
  const load = new KeepAliveLoad({ ...common, where: { port: server.port } });
  const port = await freePort();
  try {
    await server.configure({
      config: siteWith(),
      workers: 3,
      server: `listen[] = 127.0.0.1:${port}`,
    });
    expect((await server.sighup()).outcome).toBe('applied');
    expect(await statusOf(port, '/f.txt')).toBe(200);
    expect(await server.workers()).toHaveLength(3);
    await server.configure({ config: siteWith(), workers: 2 });
    expect((await server.sighup()).outcome).toBe('applied');
    expect(await refusal(port)).toBe('ECONNREFUSED');
    expect(await server.workers()).toHaveLength(2);
    const { lostLater, closedIdle, wrong, right, announced } = await load.stop();
    // What waits in the queue of a listener that goes for good may be lost: a first request, that is.
    expect({ lostLater, closedIdle, wrong }).toEqual({ lostLater: 0, closedIdle: 0, wrong: [] });
    expect(announced).toBeGreaterThan(0);
    expect(right).toBeGreaterThan(100);
    for (let i = 0; i < 20; i += 1) expect(await statusOf(server.port, '/f.txt')).toBe(200);
  } finally {
    await load.stop();
    expect((await server.stop()).code).toBe(0);
  }
}, 240_000);

test('unix sockets keep their path and their queue, a new one comes, an old one goes', async () => {
  const [kept, added] = [join(dir, 'kept-%w.sock'), join(dir, 'added-%w.sock')];
  const server = await Gfserve.start({
    config: siteWith(),
    workers: 2,
    server: `listen[] = unix:${kept}`,
  });
  const common = { url: '/f.txt', expected: '200 content' };
  const where = { path: kept.replace('%w', '1') };
  const loads = [
    new KeepAliveLoad({ ...common, where, connections: 16, pauseMs: 20 }),
    new KeepAliveLoad({ ...common, where, connections: 4, pauseMs: 0, perConnection: 1 }),
  ];
  try {
    await server.configure({
      config: siteWith('a'),
      workers: 2,
      server: `listen[] = unix:${kept}\nlisten[] = unix:${added}`,
    });
    expect((await server.sighup()).outcome).toBe('applied');
    await server.configure({
      config: siteWith('a'),
      workers: 2,
      server: `listen[] = unix:${kept}`,
    });
    expect(await textOver(added.replace('%w', '2'))).toBe('200 content');
    expect((await server.sighup()).outcome).toBe('applied');
    expect(existsSync(added.replace('%w', '1'))).toBe(false);
    const counts = await Promise.all(loads.map((load) => load.stop()));
    for (const each of counts) expect(each).toMatchObject(untouched);
    expect(counts[1]?.right).toBeGreaterThan(100);
    for (const number of ['1', '2']) {
      expect(await textOver(kept.replace('%w', number))).toBe('200 content');
    }
  } finally {
    await Promise.all(loads.map((load) => load.stop()));
    expect((await server.stop()).code).toBe(0);
  }
  expect(existsSync(kept.replace('%w', '1'))).toBe(false);
}, 240_000);

/** A download that takes nothing until it is to finish. */
class RestingDownload {
  readonly #request: http.ClientRequest;
  readonly #bytes: Promise<number>;
  #resume: () => void = () => undefined;

  constructor(port: number, path: string) {
    this.#request = http.get({ host: '127.0.0.1', port, path, agent: false });
    this.#bytes = new Promise((resolve, reject) => {
      this.#request.on('error', reject);
      this.#request.on('response', (response) => {
        response.pause();
        let bytes = 0;
        response.on('data', (data: Buffer) => {
          bytes += data.length;
        });
        response.on('end', () => resolve(bytes));
        response.on('error', reject);
        this.#resume = () => response.resume();
      });
    });
  }

  /** How many bytes there were in all. */
  async finish(): Promise<number> {
    this.#resume();
    return await this.#bytes;
  }

  stop(): void {
    this.#bytes.catch(() => undefined);
    this.#request.destroy();
  }
}

test('who waits in the queue of a worker that does not accept is served by its successor', async () => {
  const socketPath = join(dir, 'queue.sock');
  const server = await Gfserve.start({
    config: siteWith(),
    workers: 1,
    server: `listen[] = unix:${socketPath}`,
  });
  const { pid } = await server.worker();
  process.kill(pid, 'SIGSTOP');
  try {
    const waiting = Promise.all([
      ...Array.from({ length: 5 }, () => textOver(socketPath)),
      ...Array.from({ length: 5 }, async () => (await get(server.port, '/f.txt')).body.toString()),
    ]);
    await sleep(200);
    expect((await server.sighup()).outcome).toBe('applied');
    expect(await waiting).toEqual([...Array(5).fill('200 content'), ...Array(5).fill('content')]);
    expect(server.log).not.toContain('former workers are gone');
  } finally {
    // It is gone where it was killed for not having retired.
    if (isAlive(pid)) process.kill(pid, 'SIGCONT');
    expect((await server.stop()).code).toBe(0);
  }
}, 240_000);

test('a download ends with the worker that began it, or at the limit; a client that is idle is told at its next request', async () => {
  const config = `[limits]\ndrain-timeout = 5s\n${siteWith()}`;
  const server = await Gfserve.start({ config, workers: 1 });
  const resting = new RestingDownload(server.port, '/large.bin');
  const slow = new SlowReader(server.port, '/large.bin', 100_000);
  const idle = new KeepAliveLoad({
    where: { port: server.port },
    url: '/f.txt',
    expected: '200 content',
    connections: 1,
    pauseMs: 3_000,
  });
  try {
    await until('downloads are under way', 5_000, async () => {
      return (await server.worker()).requests.active === 2 && idle.counts.right === 1;
    });
    const [old] = await server.workers();
    expect((await server.sighup()).outcome).toBe('applied');
    expect(await resting.finish()).toBe(LARGE_BYTES);
    await until('the former worker is gone', 15_000, () =>
      /former workers are gone/.test(server.log),
    );
    expect(server.log).toMatch(
      /former workers are gone after [5-7]\.\d s: 1 requests finished, 1 cut off/,
    );
    expect(slow.bytes).toBeLessThan(LARGE_BYTES);
    expect(idle.counts).toMatchObject({ lostLater: 0, closedIdle: 0, announced: 1 });
    expect((await server.worker()).pid).not.toBe(old?.pid);
  } finally {
    resting.stop();
    slow.stop();
    await idle.stop();
    await server.stop();
  }
}, 240_000);

test('gfserve reload says what came of it; a second one while one is under way is another', async () => {
  const server = await Gfserve.start({ config: siteWith(), workers: 1 });
  try {
    await server.configure({ config: siteWith('a'), workers: 1 });
    const [first, second] = await Promise.all([server.reload(), server.reload()]);
    for (const { code, output } of [first, second]) {
      expect([code, output]).toEqual([
        0,
        expect.stringMatching(/server\.ini is served, after \d+ ms\n$/),
      ]);
    }
    await server.configure({ config: siteWith('b'), workers: 1, server: 'colour = red' });
    const bad = await server.reload();
    expect(bad.code).toBe(1);
    expect(bad.output).toMatch(/server\.ini:\d+: \[server\] colour/);
    expect(await statusOf(server.port, '/a/f.txt')).toBe(200);
    expect(await statusOf(server.port, '/b/f.txt')).toBe(404);
  } finally {
    await server.stop();
  }
}, 240_000);
