/**
 * Breaks: the only brick is frozen (SIGSTOP) while files are being downloaded from it.
 * Measured: how long after that each connection ends, and what came until then.
 * Must hold: a connection ends when a read has been under way for request-timeout, before its Content-Length is reached,
 * with nothing but the file's own bytes: never padded, never gone on with. Nothing is left behind.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Cluster } from '../support/cluster/cluster.js';
import { section, startCluster, untilNothingIsLeft } from '../support/faults.js';
import { Gfserve } from '../support/gfserve.js';
import { readVersions, versionContent } from '../support/versions.js';

const REQUEST_TIMEOUT_MS = 2_000;
/** What the sockets hold, some 4 MiB, is still taken by then, at 4 MB/s or more. */
const DRAIN_MS = 2_000;
const SIZE = 48 << 20;
const CLIENTS = 6;
const THREADS = 4;

let cluster: Cluster;
let server: Gfserve;

beforeAll(async () => {
  cluster = await startCluster('hung-download', 1);
  await cluster.createVolume('site', { bricks: 1 });
  const path = join(await cluster.mount('site'), 'large.bin');
  await writeFile(path, versionContent(1, SIZE));
  server = await Gfserve.start({
    config: `
[limits]
request-timeout = ${REQUEST_TIMEOUT_MS}ms
${section(cluster, 'site', `threads = ${THREADS}\nping-timeout = 60s`)}`,
  });
}, 240_000);

afterAll(async () => {
  await server?.stop();
  await cluster?.down();
}, 240_000);

test('downloads from a hung brick end early, in time, and never padded', async () => {
  let frozenMs = 0;
  const downloads = Array.from({ length: CLIENTS }, async () => {
    const verdict = await readVersions(server.port, '/site/large.bin', 8);
    return { ...verdict, afterMs: performance.now() - frozenMs };
  });
  await sleep(500);
  await cluster.stopBrick('site', 0);
  frozenMs = performance.now();
  const verdicts = await Promise.all(downloads);
  await cluster.contBrick('site', 0);
  const after = verdicts.map(({ afterMs }) => Math.round(afterMs));
  const bytes = verdicts.map((verdict) => Math.round(verdict.bytes / (1 << 20)));
  console.log(`ended ${after.join(', ')} ms after it froze, with ${bytes.join(', ')} of 48 MiB`);
  for (const verdict of verdicts) {
    expect([verdict.status, verdict.announced]).toEqual([200, SIZE]);
    expect([verdict.complete, verdict.strange, verdict.versions]).toEqual([false, false, [1]]);
    expect(verdict.bytes).toBeLessThan(SIZE);
    expect(verdict.afterMs).toBeGreaterThan(REQUEST_TIMEOUT_MS / 2);
    expect(verdict.afterMs).toBeLessThan(REQUEST_TIMEOUT_MS + DRAIN_MS);
  }
  await untilNothingIsLeft(server, THREADS);
  const whole = await readVersions(server.port, '/site/large.bin', 0);
  expect([whole.complete, whole.strange, whole.versions]).toEqual([true, false, [1]]);
}, 240_000);
