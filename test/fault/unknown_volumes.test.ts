/**
 * Breaks: volumes that the cluster does not know, which are tried again every few seconds: each time a glfs_t is made and ended
 * within moments, many of them at once, on busy processors.
 * Measured: deaths of workers.
 * Must hold: none dies, and the volume that there is is served all the time.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Cluster } from '../support/cluster/cluster.js';
import { anyFile, createFiles, section, startCluster } from '../support/faults.js';
import { Gfserve } from '../support/gfserve.js';
import { describe, Load } from '../support/load.js';

const FILES = 20;
const UNKNOWN = 16;
const LOAD_MS = 25_000;

let cluster: Cluster;
let server: Gfserve;

beforeAll(async () => {
  cluster = await startCluster('unknown', 1);
  await createFiles(cluster, 'site', FILES, { bricks: 1 });
  const sections = Array.from({ length: UNKNOWN }, (_, i) => section(cluster, `unknown${i}`));
  server = await Gfserve.start({
    workers: 2,
    lacksVolumes: true,
    config: [section(cluster, 'site'), ...sections].join('\n'),
  });
}, 240_000);

afterAll(async () => {
  await server?.stop();
  await cluster?.down();
}, 240_000);

test('volumes that there are not cost no worker', async () => {
  const load = new Load({ port: server.port, perSecond: 100, next: anyFile('site', FILES) });
  await new Promise((resolve) => setTimeout(resolve, LOAD_MS));
  const samples = await load.stop();
  console.log(describe(samples));
  expect(samples.filter(({ right }) => !right)).toEqual([]);
  expect(samples.length).toBeGreaterThan(LOAD_MS / 100);
  // They were tried, and more than once.
  expect(server.log.split('knows no volume').length).toBeGreaterThan(UNKNOWN);
  expect(server.log).not.toMatch(/was killed by/);
}, 240_000);
