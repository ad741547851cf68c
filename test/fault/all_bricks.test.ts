/**
 * Breaks: all bricks of a replica volume at once (SIGKILL), then all glusterds, under 100 requests a second.
 * Measured: how fast the answers are while nothing is there; how soon the volume is back; whether changes are followed.
 * Must hold: without bricks 503 with Retry-After in under 1 s, right again within 5 s of their return. Without glusterds
 * nothing happens to requests; once they are back, changes of the volume are noticed again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { get } from '../support/client.js';
import type { Cluster } from '../support/cluster/cluster.js';
import {
  anyFile,
  content,
  createFiles,
  section,
  startCluster,
  untilNothingIsLeft,
  untilServed,
  volumeStatus,
} from '../support/faults.js';
import { Gfserve, until } from '../support/gfserve.js';
import { describe, Load } from '../support/load.js';

const THREADS = 4;
const FILES = 100;
const NODES = [1, 2, 3];

let cluster: Cluster;
let server: Gfserve;

beforeAll(async () => {
  cluster = await startCluster('all-bricks', NODES.length);
  await createFiles(cluster, 'site', FILES, { replica: 3 });
  server = await Gfserve.start({ config: section(cluster, 'site', `threads = ${THREADS}`) });
}, 240_000);

afterAll(async () => {
  await server?.stop();
  await cluster?.down();
}, 240_000);

const load = (): Load =>
  new Load({ port: server.port, perSecond: 100, next: anyFile('site', FILES) });

test('all bricks killed: 503 at once, and back within 5 s of their return', async () => {
  const samples = load();
  await sleep(1_000);
  await Promise.all([0, 1, 2].map((brick) => cluster.killBrick('site', brick)));
  const goneMs = samples.nowMs;
  await sleep(3_000);
  const answer = await get(server.port, '/site/0.txt');
  const askedMs = samples.nowMs;
  const all = await samples.stop();
  await cluster.startBricks('site');
  const backMs = await untilServed(server, '/site/5.txt', content('site', 5), 5_000);
  console.log(`all bricks killed: ${describe(all)}; back after ${Math.round(backMs)} ms`);

  expect(answer.status).toBe(503);
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  expect(all.filter(({ right, status }) => !right && status !== 503)).toEqual([]);
  expect(Math.max(...all.map(({ ms }) => ms))).toBeLessThan(1_000);
  const without = all.filter(({ atMs }) => atMs > goneMs && atMs < askedMs);
  expect(without.length).toBeGreaterThan(200);
  expect(without.filter(({ status }) => status !== 503)).toEqual([]);
  expect(server.log).toMatch(/volume site: down: no brick is connected/);
  await until('it is healthy', 5_000, async () => {
    return (await volumeStatus(server, 'site')).state === 'healthy';
  });
  await untilNothingIsLeft(server, THREADS);
}, 240_000);

test('all glusterds killed: nothing happens; once they are back, changes are followed', async () => {
  const samples = load();
  await sleep(500);
  await Promise.all(NODES.map((node) => cluster.killGlusterd(node)));
  await sleep(4_000);
  expect((await volumeStatus(server, 'site')).state).toBe('healthy');
  await Promise.all(NODES.map((node) => cluster.startGlusterd(node)));
  const restarted = await samples.stop();
  console.log(`all glusterds killed and started: ${describe(restarted)}`);
  expect(restarted.length).toBeGreaterThan(400);
  expect(restarted.filter(({ right }) => !right)).toEqual([]);

  const changes = (): number => server.log.split('its layout has changed').length - 1;
  const before = changes();
  const ongoing = load();
  await cluster.setOption('site', 'performance.io-cache', 'on');
  const noticedMs = await until('the change is noticed', 15_000, () => changes() > before);
  const during = await ongoing.stop();
  console.log(`an option set: ${describe(during)}; noticed after ${Math.round(noticedMs)} ms`);
  expect(during.filter(({ right }) => !right)).toEqual([]);
  await untilNothingIsLeft(server, THREADS);
}, 240_000);
