/**
 * Breaks: one name is a file on one copy and a folder on the other, as if both had been made while the bricks could not see
 * one another: no one can say which is right, and GlusterFS answers EIO.
 * Must hold: that name answers 503 with Retry-After (GFS_IO), every time; all else is served, and the volume stays healthy.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { catalogue } from '../../src/errors.js';
import { get } from '../support/client.js';
import type { Cluster } from '../support/cluster/cluster.js';
import { content, createFiles, section, startCluster, volumeStatus } from '../support/faults.js';
import { Gfserve } from '../support/gfserve.js';

const THREADS = 4;

let cluster: Cluster;
let server: Gfserve;

beforeAll(async () => {
  cluster = await startCluster('split', 2);
  await createFiles(cluster, 'site', 10, {
    replica: 2,
    options: { 'cluster.self-heal-daemon': 'off' },
  });
  const [one, two] = await cluster.bricks('site');
  if (!one || !two) throw new Error('the volume has two bricks');
  await writeFile(join(one.path, 'split'), 'a file here\n');
  await mkdir(join(two.path, 'split'));
  server = await Gfserve.start({ config: section(cluster, 'site', `threads = ${THREADS}`) });
}, 240_000);

afterAll(async () => {
  await server?.stop();
  await cluster?.down();
}, 240_000);

test('GFS_IO for the name in split-brain, 200 for all others', async () => {
  for (let i = 0; i < 10; i++) {
    const split = await get(server.port, '/site/split');
    expect(split.status).toBe(503);
    expect(split.body.toString()).toContain(catalogue.GFS_IO.summary);
    expect(Number(split.headers['retry-after'])).toBe(catalogue.GFS_IO.retryAfterSeconds);
    expect((await get(server.port, `/site/${i}.txt`)).body.toString()).toBe(content('site', i));
  }
  expect((await volumeStatus(server, 'site')).state).toBe('healthy');
});
