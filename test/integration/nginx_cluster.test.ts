/** Debian's nginx with conf/nginx-cluster.conf in front of two gfserves that read the same volume. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { get } from '../support/client.js';
import { Cluster } from '../support/cluster/cluster.js';
import { Gfserve, until } from '../support/gfserve.js';
import { KeepAliveLoad } from '../support/keep_alive.js';
import { Nginx } from '../support/nginx.js';

const FILES = Array.from({ length: 8 }, (_, index) => `f${index}`);

let cluster: Cluster;
let dir: string;
let nginx: Nginx;
const servers: Gfserve[] = [];
const logOf = (number: number): string => join(dir, `access-${number}.log`);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gfserve-scale-'));
  cluster = await Cluster.up({ dir: join(dir, 'cluster'), nodes: 1 });
  await cluster.createVolume('site', { bricks: 1 });
  const mount = await cluster.mount('site');
  for (const name of FILES) await writeFile(join(mount, name), `content of ${name}`);
  for (const number of [0, 1]) {
    servers.push(
      await Gfserve.start({
        server: 'trusted-proxies = 127.0.0.1',
        config: `[log]\naccess = ${logOf(number)}\nformat = json
[volume site]\nservers = ${cluster.addresses.join(', ')}\n[mount main]\npath = /\nvolume = site\n`,
      }),
    );
  }
  const [first, second] = servers;
  if (!first || !second) throw new Error('two were started');
  nginx = await Nginx.startCluster([first.port, second.port]);
}, 90_000);

afterAll(async () => {
  await nginx?.stop();
  for (const server of servers) await server.stop();
  await cluster?.down();
  await rm(dir, { recursive: true, force: true });
}, 60_000);

const linesOf = (number: number): { path: string; client: string }[] =>
  readFileSync(logOf(number), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { path: string; client: string });

test('each path has its machine, and the log has the client that nginx saw', async () => {
  for (const name of [...FILES, ...FILES]) {
    const answered = await new Promise<number | undefined>((resolve, reject) => {
      http
        .get(
          {
            port: nginx.port,
            localAddress: '127.0.0.5',
            path: `/${name}`,
            headers: { 'X-Forwarded-For': '192.0.2.66' },
          },
          (response) => {
            response.resume();
            response.on('end', () => resolve(response.statusCode));
          },
        )
        .on('error', reject);
    });
    expect(answered).toBe(200);
  }
  const all = () => [...linesOf(0), ...linesOf(1)];
  await until('all is logged', 10_000, () => all().length === 2 * FILES.length);
  expect(new Set(all().map(({ client }) => client))).toEqual(new Set(['127.0.0.5']));
  const [first, second] = [0, 1].map((number) => new Set(linesOf(number).map(({ path }) => path)));
  expect([...(first ?? [])].filter((path) => second?.has(path))).toEqual([]);
  expect(first?.size).toBeGreaterThan(0);
  expect(second?.size).toBeGreaterThan(0);
}, 30_000);

test('a machine that dies under load costs no request', async () => {
  const loads = FILES.map(
    (name) =>
      new KeepAliveLoad({
        where: { port: nginx.port },
        url: `/${name}`,
        expected: `200 content of ${name}`,
        connections: 3,
        pauseMs: 2,
      }),
  );
  const right = (): number => loads.reduce((sum, { counts }) => sum + counts.right, 0);
  try {
    await until('they are at work', 20_000, () => right() > 500);
    const victim = servers[0];
    if (!victim) throw new Error('there is none');
    const workers = (await victim.workers()).map(({ pid }) => pid);
    victim.signal('SIGKILL');
    for (const pid of workers) process.kill(pid, 'SIGKILL');
    await victim.exited;
    await until('they are gone', 10_000, () => workers.every((pid) => !existsSync(`/proc/${pid}`)));
    const before = right();
    await until('all goes on', 30_000, () => right() > before + 1_000);
  } finally {
    await Promise.all(loads.map((load) => load.stop()));
  }
  for (const { counts } of loads) {
    expect(counts).toMatchObject({ lostFirst: 0, lostLater: 0, wrong: [] });
    expect(counts.right).toBeGreaterThan(0);
  }
  // nginx met its death, and asked the other one.
  expect(nginx.requests().some(({ upstreamStatuses }) => upstreamStatuses.length > 1)).toBe(true);
  for (const name of FILES) expect((await get(nginx.port, `/${name}`)).status).toBe(200);
}, 90_000);
