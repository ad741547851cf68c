/**
 * Breaks: one brick of two of a distributed volume is frozen (SIGSTOP), with a ping-timeout so long that libgfapi never gives
 * it up: calls for its files hang for good, though it is "connected" and the volume answers.
 * Measured: threads that are stuck and that stand in for them; the state; what the other brick's files answer.
 * Must hold: each stuck thread is counted and stood in for, up to `threads` more, and the other brick's files are served all
 * the time. When all hang, the volume is down and answers at once. When the brick goes on, every thread comes back, and there
 * are as many as before.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { get } from '../support/client.js';
import type { Cluster } from '../support/cluster/cluster.js';
import {
  content,
  createFiles,
  section,
  startCluster,
  untilNothingIsLeft,
  untilServed,
  volumeStatus,
} from '../support/faults.js';
import { Gfserve, until } from '../support/gfserve.js';
import { describe, Load, quantile } from '../support/load.js';

const FILES = 60;
const THREADS = 4;
const MOST = THREADS * 2;
const HUNG = 1;
const REQUEST_TIMEOUT_MS = 1_000;

let cluster: Cluster;
let server: Gfserve;
let hung: number[];
let well: number[];

beforeAll(async () => {
  cluster = await startCluster('stuck', 2);
  await createFiles(cluster, 'site', FILES, { bricks: 2 });
  const folder = (await cluster.bricks('site'))[HUNG]?.path ?? '';
  const all = Array.from({ length: FILES }, (_, index) => index);
  hung = all.filter((index) => existsSync(join(folder, `${index}.txt`)));
  well = all.filter((index) => !hung.includes(index));
  server = await Gfserve.start({
    config: `
[limits]
request-timeout = ${REQUEST_TIMEOUT_MS}ms
${section(cluster, 'site', `threads = ${THREADS}\nping-timeout = 2000s`)}`,
  });
}, 240_000);

afterAll(async () => {
  await server?.stop();
  await cluster?.down();
}, 240_000);

/** One that has not been asked for before: of what was found once, more than the call for its content would hang. */
function nextHung(): string {
  const index = hung.shift();
  if (index === undefined) throw new Error('all files of the hung brick were asked for');
  return `/site/${index}.txt`;
}

/** Lets `count` more threads hang: they are asked for at once, and each answers 504. */
async function hang(count: number): Promise<number[]> {
  const answers = Array.from({ length: count }, () => get(server.port, nextHung()));
  return (await Promise.all(answers)).map(({ status }) => status);
}

async function untilThreads(stuck: number, threads: number): Promise<void> {
  let last = {};
  await until(`${stuck} of ${threads} threads are stuck`, 3_000, async () => {
    const { native } = await volumeStatus(server, 'site');
    last = native;
    return native.stuck === stuck && native.threads === threads;
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${JSON.stringify(last)}`);
  });
}

const ofTheOther = (): Load =>
  new Load({
    port: server.port,
    perSecond: 50,
    next: () => {
      const index = well[Math.floor(Math.random() * well.length)] ?? 0;
      return { path: `/site/${index}.txt`, expected: content('site', index) };
    },
  });

test('stuck threads are counted and stood in for; when all hang the volume is down, and it recovers', async () => {
  expect(Math.min(hung.length, well.length)).toBeGreaterThan(MOST);
  // The first lookup of all is that of the root, on every brick.
  for (const index of well) await get(server.port, `/site/${index}.txt`);
  await untilThreads(0, THREADS);
  await cluster.stopBrick('site', HUNG);

  const load = ofTheOther();
  expect(await hang(THREADS - 1)).toEqual([504, 504, 504]);
  await untilThreads(THREADS - 1, MOST - 1);
  expect((await volumeStatus(server, 'site')).state).toBe('degraded');
  // Never all that are free at a time, or the other brick's files would have to wait for those that stand in.
  expect(await hang(THREADS - 1)).toEqual([504, 504, 504]);
  await untilThreads(MOST - 2, MOST);
  expect(await hang(1)).toEqual([504]);
  await untilThreads(MOST - 1, MOST);
  const servedMs = load.nowMs;

  expect(await hang(1)).toEqual([504]);
  await until('it is down', 2_000, async () => {
    return (await volumeStatus(server, 'site')).state === 'down';
  });
  const all = await load.stop();
  const served = all.filter(({ atMs, ms }) => atMs + ms < servedMs);
  console.log(`with ${MOST - 1} of ${MOST} threads stuck: ${describe(served)}`);
  expect(served.filter(({ right }) => !right)).toEqual([]);
  expect(served.length).toBeGreaterThan(50);
  // The two come to the same here, and which is seen first is a matter of a quarter of a second.
  expect(server.log).toMatch(
    /down: (all of its 8 threads hang in libgfapi|it has answered nothing)/,
  );
  const down = ofTheOther();
  await sleep(1_000);
  const refused = await down.stop();
  console.log(`all stuck: ${describe(refused)}`);
  expect(refused.filter(({ status }) => status !== 503)).toEqual([]);
  expect(
    quantile(
      refused.map(({ ms }) => ms),
      0.5,
    ),
  ).toBeLessThan(50);
  await untilThreads(MOST, MOST);

  await cluster.contBrick('site', HUNG);
  const path = `/site/${well[0]}.txt`;
  const backMs = await untilServed(server, path, content('site', well[0] ?? 0), 5_000);
  const late = nextHung();
  await untilServed(server, late, content('site', Number(/\d+/.exec(late)?.[0])), 5_000);
  console.log(`back after ${Math.round(backMs)} ms`);
  await until('it is healthy', 5_000, async () => {
    return (await volumeStatus(server, 'site')).state === 'healthy';
  });
  await untilNothingIsLeft(server, THREADS);
}, 240_000);
