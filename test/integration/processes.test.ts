/** Workers that die, and servers that are stopped, under load. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { fileHash, get, getHash, SlowReader, sha256 } from '../support/client.js';
import { Cluster } from '../support/cluster/cluster.js';
import { Gfserve, until } from '../support/gfserve.js';
import { Load } from '../support/load.js';

let cluster: Cluster;
let config: string;
let smallHash: string;
let largeHash: string;

beforeAll(async () => {
  cluster = await Cluster.up({
    dir: await mkdtemp(join(tmpdir(), 'gfserve-processes-')),
    nodes: 1,
  });
  await cluster.createVolume('site', { bricks: 1 });
  const site = await cluster.mount('site');
  const small = randomBytes(4096);
  smallHash = sha256(small);
  await writeFile(join(site, 'small.bin'), small);
  await writeFile(join(site, 'large.bin'), randomBytes(20 << 20));
  largeHash = await fileHash(join(site, 'large.bin'));
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
}, 240_000);

/** Asks again and again on one connection, for as long as it lives. */
class KeepAliveClient {
  readonly agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  right = 0;
  failed = 0;
  #running = true;
  readonly done: Promise<void>;

  constructor(private readonly port: number) {
    this.done = this.#run();
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.done;
    this.agent.destroy();
  }

  async #run(): Promise<void> {
    while (this.#running) {
      try {
        const answer = await get(this.port, '/small.bin', { agent: this.agent });
        if (answer.status === 200 && sha256(answer.body) === smallHash) this.right += 1;
        else this.failed += 1;
      } catch {
        this.failed += 1;
        return;
      }
    }
  }
}

test('kill -9 of a worker under load: another serves within 1 s, and the other worker notices nothing', async () => {
  const server = await Gfserve.start({ config, workers: 2 });
  // Where a start takes long, because the machine is busy, another worker's takes as long.
  const startMs = Number(/ready: 2 workers in (\d+) ms/.exec(server.log)?.[1]);
  expect(startMs).toBeGreaterThan(0);
  try {
    const before = await server.workers();
    const victim = before[0];
    if (!victim) throw new Error('no worker');
    const clients = Array.from({ length: 16 }, () => new KeepAliveClient(server.port));
    // Whose connections are new: none that comes after the death is lost.
    const next = (): { path: string; expected: null } => ({ path: '/small.bin', expected: null });
    const comers = new Load({ port: server.port, perSecond: 100, next });
    await sleep(500);
    process.kill(victim.pid, 'SIGKILL');
    const killed = performance.now();
    const killedMs = comers.nowMs;
    // From the log: a question to a worker that is starting would have to wait for it.
    const ready = new RegExp(`worker ${victim.number} \\(pid (?!${victim.pid}\\))\\d+\\) is ready`);
    await until('a new worker serves', 15_000, () => ready.test(server.log));
    const took = performance.now() - killed;
    await sleep(500);
    const late = (await comers.stop()).filter(({ atMs }) => atMs > killedMs);
    expect(late.length).toBeGreaterThan(50);
    expect(late.filter(({ right }) => !right)).toEqual([]);
    const broken = clients.filter(({ failed }) => failed > 0);
    await Promise.all(clients.map((client) => client.stop()));
    // The victim's connections broke, each once; nobody else's did, and nobody got a wrong byte.
    expect(broken.length).toBeGreaterThan(0);
    expect(broken.length).toBeLessThan(clients.length);
    expect(Math.max(...clients.map(({ failed }) => failed))).toBe(1);
    expect(took).toBeLessThan(Math.max(1_000, 2 * startMs));
    for (let i = 0; i < 50; i++) expect((await get(server.port, '/small.bin')).status).toBe(200);
  } finally {
    await server.stop();
  }
});

test('SIGTERM during 50 downloads: all that finish are whole, and the exit status is 0', async () => {
  const server = await Gfserve.start({ config });
  const downloads = Array.from({ length: 50 }, () => getHash(server.port, '/large.bin'));
  await until(
    'the downloads are under way',
    5_000,
    async () => (await server.worker()).requests.active === 50,
  );
  server.signal('SIGTERM');
  const results = await Promise.all(downloads);
  for (const { status, complete, sha256: hash } of results) {
    expect([status, complete, hash]).toEqual([200, true, largeHash]);
  }
  expect(await server.exited).toEqual({ code: 0, signal: null });
  await server.stop();
});

test('new connections are refused while it drains', async () => {
  const server = await Gfserve.start({ config });
  const slow = new SlowReader(server.port, '/large.bin', 1_000_000);
  await until(
    'the download is under way',
    5_000,
    async () => (await server.worker()).requests.active === 1,
  );
  server.signal('SIGTERM');
  await until('connections are refused', 2_000, async () => {
    try {
      await get(server.port, '/small.bin');
      return false;
    } catch {
      return true;
    }
  });
  slow.stop();
  expect(await server.exited).toEqual({ code: 0, signal: null });
  await server.stop();
});

test('a download that does not finish within the drain limit is cut off, and the exit status is still 0', async () => {
  const server = await Gfserve.start({ config: `[limits]\ndrain-timeout = 1s\n${config}` });
  const slow = new SlowReader(server.port, '/large.bin', 10_000);
  await until(
    'the download is under way',
    5_000,
    async () => (await server.worker()).requests.active === 1,
  );
  const start = performance.now();
  server.signal('SIGTERM');
  expect(await server.exited).toEqual({ code: 0, signal: null });
  expect(performance.now() - start).toBeLessThan(3_000);
  expect(server.log).toContain('1 cut off');
  slow.stop();
  await server.stop();
});

test('the supervisor killed: its workers leave', async () => {
  const server = await Gfserve.start({
    config: `[limits]\ndrain-timeout = 1s\n${config}`,
    workers: 2,
  });
  const workers = await server.workers();
  server.signal('SIGKILL');
  await server.exited;
  for (const { pid } of workers) {
    await until(`worker ${pid} leaves`, 5_000, () => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    });
  }
  await server.stop();
});
