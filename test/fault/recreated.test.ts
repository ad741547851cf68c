/**
 * Breaks: a volume is stopped, deleted, and made anew under its name with other content, while gfserve runs.
 * Measured: how soon after the new start its content is served.
 * Must hold: 503 while there is none; the new content within 30 s, by the same worker; never the old content after the stop.
 */
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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
} from '../support/faults.js';
import { Gfserve, until } from '../support/gfserve.js';
import { describe, Load } from '../support/load.js';

const FILES = 50;
const THREADS = 4;
const NEW = 'the content of the new volume\n';

let cluster: Cluster;
let server: Gfserve;

beforeAll(async () => {
  cluster = await startCluster('recreated', 2);
  for (const name of ['site', 'other']) await createFiles(cluster, name, FILES, { replica: 2 });
  const more = `threads = ${THREADS}`;
  server = await Gfserve.start({
    config: section(cluster, 'site', more) + section(cluster, 'other', more),
  });
}, 240_000);

afterAll(async () => {
  await server?.stop();
  await cluster?.down();
}, 240_000);

test('the new volume is served within 30 s without a restart, and the other one all the time', async () => {
  const { pid } = await server.worker();
  const other = new Load({ port: server.port, perSecond: 50, next: anyFile('other', FILES) });
  expect((await get(server.port, '/site/1.txt')).body.toString()).toBe(content('site', 1));
  await cluster.deleteVolume('site');
  await until('it is known to be gone', 5_000, async () => {
    return (await get(server.port, '/site/1.txt')).status === 503;
  });
  await sleep(3_000);
  expect((await get(server.port, '/site/2.txt')).status).toBe(503);

  const site = new Load({
    port: server.port,
    perSecond: 20,
    next: () => ({ path: '/site/1.txt', expected: NEW }),
  });
  await cluster.createVolume('site', { replica: 2 });
  const startedMs = site.nowMs;
  // Until the file is there, nothing may be found under its name but 503 and 404; nor what is half written.
  const mounted = await cluster.mount('site');
  await writeFile(join(mounted, 'new'), NEW);
  await rename(join(mounted, 'new'), join(mounted, '1.txt'));
  await untilServed(server, '/site/1.txt', NEW, 30_000);
  const tookMs = site.nowMs - startedMs;
  const samples = await site.stop();
  const others = await other.stop();
  console.log(
    `served ${Math.round(tookMs)} ms after the start: ${describe(samples)}\nthe other volume: ${describe(others)}`,
  );
  expect(samples.filter(({ right, status }) => !right && ![404, 503].includes(status))).toEqual([]);
  expect(tookMs).toBeLessThan(30_000);
  expect(others.filter(({ right }) => !right)).toEqual([]);
  expect((await get(server.port, '/site/2.txt')).status).toBe(404);
  expect((await server.worker()).pid).toBe(pid);
  await untilNothingIsLeft(server, THREADS);
}, 240_000);
