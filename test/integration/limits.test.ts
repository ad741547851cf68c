/** Clients that go away or hardly read: nothing of theirs stays behind. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { WorkerStatus } from '../../src/ipc.js';
import { abortAfter, getHash, SlowReader } from '../support/client.js';
import { Cluster } from '../support/cluster/cluster.js';
import { Gfserve, processFigures, until } from '../support/gfserve.js';

const MIB = 1 << 20;
const SIZE = 300 * MIB;

let cluster: Cluster;
let server: Gfserve;
/** Goes on while the other tests run. */
let cutOffMs: Promise<number>;

/** By default clients are borne with for 60 s: the server sees one of 10 KB/s take something only now and then. */
const start = (limits = ''): Promise<Gfserve> =>
  Gfserve.start({
    config: `
${limits}
[volume site]
servers = ${cluster.addresses.join(', ')}
[mount main]
path = /
volume = site
`,
  });

/** How long a client that takes nothing is borne with, by a server of its own. */
async function timeToCutOff(): Promise<number> {
  const own = await start('[limits]\nsend-timeout = 20s');
  const reader = new SlowReader(own.port, '/large.bin', 0);
  const active = async (): Promise<number> => (await own.worker()).requests.active;
  try {
    await until('it is served', 30_000, async () => (await active()) === 1);
    return await until('it is cut off', 120_000, async () => (await active()) === 0);
  } finally {
    reader.stop();
    await own.stop();
  }
}

beforeAll(async () => {
  cluster = await Cluster.up({ dir: await mkdtemp(join(tmpdir(), 'gfserve-limits-')), nodes: 1 });
  await cluster.createVolume('site', { bricks: 1 });
  const file = await open(join(await cluster.mount('site'), 'large.bin'), 'w');
  for (let i = 0; i < SIZE / MIB; i++) await file.write(randomBytes(MIB));
  await file.close();
  server = await start();
  cutOffMs = timeToCutOff();
  cutOffMs.catch(() => undefined); // its test awaits it
}, 240_000);

afterAll(async () => {
  await cutOffMs?.catch(() => undefined);
  await server?.stop();
  await cluster?.down();
}, 240_000);

const native = (worker: WorkerStatus): Record<string, number> => worker.volumes[0]?.native ?? {};

async function idle(): Promise<WorkerStatus> {
  await until('nothing is under way', 20_000, async () => {
    const worker = await server.worker();
    return (
      worker.requests.active === 0 && native(worker).openFiles === 0 && native(worker).busy === 0
    );
  });
  return await server.worker();
}

/** 2,000 times by a few at a time. Every abort comes at another point of the first 8 MiB. */
async function abortDownloads(count: number): Promise<void> {
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0)
      await abortAfter(server.port, '/large.bin', 1 + Math.floor(Math.random() * 8 * MIB));
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}

test('2,000 downloads aborted: handles, threads, descriptors and memory come back', async () => {
  await abortDownloads(500); // first, everything that is allocated once
  await idle();
  await sleep(5_000);
  const before = await idle();
  const kernelBefore = processFigures(before.pid);
  await abortDownloads(2_000);
  await idle();
  await sleep(8_000); // idle blocks go back by halves, once a second
  const after = await idle();
  const kernelAfter = processFigures(after.pid);
  expect(native(after).handles).toBe(native(before).handles);
  expect(kernelAfter.threads).toBeLessThanOrEqual(kernelBefore.threads);
  expect(kernelAfter.descriptors).toBeLessThanOrEqual(kernelBefore.descriptors);
  expect(after.memory).toMatchObject({ blocksInUse: 0, jobs: 0 });
  expect(kernelAfter.rss - kernelBefore.rss).toBeLessThan(32 * MIB);
}, 240_000);

test('300 readers of 10 KB/s: memory grows by less than 300 MiB, and a fast client is not slowed', async () => {
  const { pid } = await idle();
  const time = async (): Promise<number> => {
    const start = performance.now();
    const { bytes, complete } = await getHash(server.port, '/large.bin');
    expect([bytes, complete]).toEqual([SIZE, true]);
    return performance.now() - start;
  };
  await time();
  const alone = Math.min(await time(), await time(), await time());
  const before = processFigures(pid).rss;
  const readers = Array.from(
    { length: 300 },
    () => new SlowReader(server.port, '/large.bin', 10_000),
  );
  try {
    await until(
      'all readers are served',
      30_000,
      async () => (await server.workers())[0]?.requests.active === 300,
    );
    await sleep(5_000);
    const grown = processFigures(pid).rss - before;
    const beside = Math.min(await time(), await time(), await time());
    // Longer than uWebSockets.js' own 10 s without progress: all must still be there.
    await sleep(10_000);
    const { requests } = await server.worker();
    expect(requests.active).toBe(300);
    expect(grown).toBeLessThan(300 * MIB);
    // Each of them asks for its 10 KB/s; were they served with a fast client's chunks, it would take hundreds of times as long.
    // They share the fast client's process, so that it takes 1.5 to 4.5 times as long in any case.
    expect(beside).toBeLessThan(alone * 10);
    console.log(
      `300 slow readers: ${Math.round(grown / MIB)} MiB more; a fast download takes ${Math.round(beside)} ms beside them, ${Math.round(alone)} ms alone`,
    );
  } finally {
    for (const reader of readers) reader.stop();
  }
  await idle();
}, 240_000);

test('a client that takes nothing at all is cut off after send-timeout', async () => {
  const took = await cutOffMs;
  expect(took).toBeGreaterThan(15_000);
  // Seen by asking, from a process that is busy with all the other clients.
  expect(took).toBeLessThan(60_000);
}, 240_000);
