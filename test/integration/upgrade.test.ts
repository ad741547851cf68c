/** The program anew under load: who serves, and that nobody notices. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { get } from '../support/client.js';
import { Cluster } from '../support/cluster/cluster.js';
import { Gfserve, type GfserveOptions, until } from '../support/gfserve.js';
import { digestOf, KeepAliveLoad } from '../support/keep_alive.js';
import { isAlive } from '../support/supervised.js';

const LARGE = 'x'.repeat(150_000);

let cluster: Cluster;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gfserve-upgrade-'));
  cluster = await Cluster.up({ dir: join(dir, 'cluster'), nodes: 1 });
  await cluster.createVolume('site', { bricks: 1 });
  const site = await cluster.mount('site');
  await writeFile(join(site, 'f.txt'), 'content');
  await writeFile(join(site, 'large.bin'), LARGE);
}, 240_000);

afterAll(async () => {
  await cluster?.down();
  await rm(dir, { recursive: true, force: true });
}, 240_000);

/** The root, and a mount of its own for each name. */
function siteWith(...mounts: readonly string[]): string {
  const extra = mounts.map((name) => `[mount ${name}]\npath = /${name}\nvolume = site\n`);
  return `[log]
access = ${dir}/access.log
[volume site]
servers = ${cluster.addresses.join(', ')}
[mount main]
path = /
volume = site
${extra.join('')}`;
}

async function requestsCounted(server: Gfserve): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${server.adminPort}/metrics`);
  const lines = (await response.text()).match(/^gfserve_http_requests_total\{.*$/gm) ?? [];
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** The worker's sockets are handed on to another process of the program, which has `mount`. */
async function expectUpgraded(server: Gfserve, mount: string): Promise<void> {
  const before = server.mainPid;
  const { code, output } = await server.upgrade();
  expect([code, output]).toEqual([
    0,
    expect.stringMatching(/^process \d+ has taken over, after \d+ ms\n$/),
  ]);
  expect(server.mainPid).not.toBe(before);
  expect((await get(server.port, `/${mount}/f.txt`)).status).toBe(200);
}

test('two upgrades, one that fails, two reloads under load: no request, line or figure is lost', async () => {
  const socket = join(dir, 'site-%w.sock');
  const options = (...mounts: string[]): GfserveOptions => ({
    config: siteWith(...mounts),
    workers: 2,
    server: `listen[] = unix:${socket}`,
  });
  const server = await Gfserve.start(options());
  const where = { port: server.port };
  const small = { url: '/f.txt', expected: '200 content' };
  const large = { url: '/large.bin', expected: `200 ${digestOf(LARGE)}`, digest: true };
  const loads = [
    new KeepAliveLoad({ ...small, where, connections: 16, pauseMs: 30 }),
    new KeepAliveLoad({ ...large, where, connections: 8, pauseMs: 100 }),
    new KeepAliveLoad({
      ...small,
      where: { path: socket.replace('%w', '2') },
      connections: 8,
      pauseMs: 30,
    }),
    new KeepAliveLoad({ ...small, where, connections: 8, pauseMs: 5, perConnection: 1 }),
  ];
  try {
    const first = server.pid;
    await server.configure(options('a'));
    await expectUpgraded(server, 'a');
    const counted = await requestsCounted(server);
    expect(counted).toBeGreaterThan(0);
    expect((await server.sighup()).outcome).toBe('applied');
    await server.configure({ ...options('b'), server: 'colour = red' });
    const second = server.mainPid;
    server.signal('SIGUSR2');
    await until('the upgrade is given up', 30_000, () =>
      /upgrade: given up, this/.test(server.log),
    );
    expect(server.log).toMatch(/server\.ini:\d+: \[server\] colour/);
    expect(server.mainPid).toBe(second);
    await server.configure(options('c'));
    expect((await server.reload()).code).toBe(0);
    await expectUpgraded(server, 'c');
    const counts = await Promise.all(loads.map((load) => load.stop()));
    for (const each of counts) {
      expect(each).toMatchObject({
        lostFirst: 0,
        lostLater: 0,
        closedIdle: 0,
        wrong: [],
        errors: {},
      });
    }
    for (const { announced } of counts.slice(0, 3)) expect(announced).toBeGreaterThan(0);
    await until('the former ones are gone', 30_000, () => !isAlive(first) && !isAlive(second));
    expect(await server.exited).toEqual({ code: 0, signal: null });
    const answers = counts.reduce((sum, { right }) => sum + right, 2);
    expect(await requestsCounted(server)).toBe(answers);
    expect(counted).toBeLessThan(answers);
    await server.stop();
    const lines = readFileSync(join(dir, 'access.log'), 'utf8').split('\n').length - 1;
    expect(lines).toBe(answers);
  } finally {
    await Promise.all(loads.map((load) => load.stop()));
    await server.stop();
  }
}, 240_000);

test('who waits in the queue of a worker that does not accept is served by its successor', async () => {
  const socketPath = join(dir, 'queue.sock');
  const server = await Gfserve.start({
    config: siteWith(),
    workers: 1,
    server: `listen[] = unix:${socketPath}`,
  });
  const { pid } = await server.worker();
  const former = server.pid;
  process.kill(pid, 'SIGSTOP');
  try {
    const textOver = (): Promise<number> =>
      new Promise((resolve, reject) => {
        const ask = http.get({ socketPath, path: '/f.txt', agent: false }, (response) => {
          response.resume();
          response.on('end', () => resolve(response.statusCode ?? 0));
        });
        ask.on('error', reject);
      });
    const waiting = Promise.all([
      ...Array.from({ length: 5 }, textOver),
      ...Array.from({ length: 5 }, async () => (await get(server.port, '/f.txt')).status),
    ]);
    await sleep(200);
    expect((await server.upgrade()).code).toBe(0);
    expect(await waiting).toEqual(Array(10).fill(200));
    expect(isAlive(former)).toBe(true);
  } finally {
    // It is gone where it was killed for not having retired.
    if (isAlive(pid)) process.kill(pid, 'SIGCONT');
    await server.stop();
  }
}, 240_000);
