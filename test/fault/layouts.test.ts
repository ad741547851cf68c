/**
 * Changes: an option that takes another graph, 30 times, on a volume of three copies under 50 requests a second; and a download
 * from a volume of two bricks while a third one is added and the files move.
 * Measured: the worker's memory before and after, when the former connections have ended; how soon a change is in use.
 * Must hold: no failed request; a connection for each change; the workers are renewed when so many have ended, and then less than
 * 1 MiB of each is there. Downloads arrive whole, also in workers that were renewed meanwhile.
 */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Cluster } from '../support/cluster/cluster.js';
import { changeBricks, untilMigrated } from '../support/cluster/migration.js';
import {
  anyFile,
  createFiles,
  section,
  startCluster,
  untilNothingIsLeft,
} from '../support/faults.js';
import { Gfserve, processFigures, until } from '../support/gfserve.js';
import { describe, Load } from '../support/load.js';

const FILES = 200;
const THREADS = 4;
const CHANGES = 30;
/** As many as are measured: connections end so slowly that most of them are there at once, and the process keeps room for that. */
const WARM_UP = 20;
/** What a process has at rest goes up and down by 15 MiB anyway. */
const MOST_KIB = 1024;
/** glfs_fini takes 8 s to 11 s. */
const ENDED_MS = 20_000;
const PIECES = 64;

let cluster: Cluster;
let server: Gfserve;
const sums = new Map<string, string>();

beforeAll(async () => {
  cluster = await startCluster('layouts', 3);
  await createFiles(cluster, 'copied', FILES, { replica: 3 });
  const mounted = await createFiles(cluster, 'spread', 1, { bricks: 2 });
  for (const name of ['a', 'b', 'c', 'd']) {
    const file = createWriteStream(join(mounted, `${name}.bin`));
    const hash = createHash('sha256');
    for (let i = 0; i < PIECES; i++) {
      const piece = randomBytes(1 << 20);
      hash.update(piece);
      if (!file.write(piece)) await once(file, 'drain');
    }
    file.end();
    await once(file, 'close');
    sums.set(name, hash.digest('hex'));
  }
  const more = `threads = ${THREADS}`;
  server = await Gfserve.start({
    config: ['copied', 'spread'].map((volume) => section(cluster, volume, more)).join('\n'),
  });
}, 240_000);

afterAll(async () => {
  await server?.stop();
  await cluster?.down();
}, 240_000);

const count = (what: string): number => server.log.split(what).length - 1;
const reconnects = (): number => count('volume copied: connected anew');
const renewals = (): number => count('renewal: done');
const rssKiB = async (): Promise<number> => processFigures((await server.worker()).pid).rss / 1024;

/** @returns how long after the command each change was in use, in milliseconds */
async function change(times: number): Promise<number[]> {
  const took: number[] = [];
  for (let i = 0; i < times; i++) {
    // New workers may be just connecting, and are by the new layout then.
    const exchanges = (): number => reconnects() + renewals();
    const before = exchanges();
    await cluster.setOption('copied', 'performance.io-cache', i % 2 === 0 ? 'on' : 'off');
    took.push(await until('it is in use', 10_000, () => exchanges() > before));
  }
  return took;
}

test('changes of the graph leave little behind, and fail no request', async () => {
  const startLoad = (): Load =>
    new Load({ port: server.port, perSecond: 50, next: anyFile('copied', FILES) });
  const warmUp = startLoad();
  await change(WARM_UP);
  await warmUp.stop();
  await sleep(ENDED_MS);
  const beforeKiB = await rssKiB();
  const connected = reconnects();
  const load = startLoad();
  const took = (await change(CHANGES)).sort((a, b) => a - b);
  const samples = await load.stop();
  const peakKiB = await rssKiB();
  expect(reconnects() - connected).toBeGreaterThanOrEqual(CHANGES - renewals());
  expect(renewals()).toBeGreaterThan(0);
  await untilNothingIsLeft(server, THREADS);
  await sleep(ENDED_MS);
  const perChange = ((await rssKiB()) - beforeKiB) / CHANGES;
  console.log(
    `${CHANGES} changes: ${describe(samples)}; in use ${Math.round(took[CHANGES >> 1] ?? 0)} ms after the command, ` +
      `at most ${Math.round(took.at(-1) ?? 0)} ms; memory ${Math.round(beforeKiB / 1024)} MiB, at the end of the changes ` +
      `${Math.round(peakKiB / 1024)} MiB; ${Math.round(perChange)} KiB stay of each; ${renewals()} renewals`,
  );
  expect(samples.filter(({ right }) => !right)).toEqual([]);
  expect(perChange).toBeLessThan(MOST_KIB);
}, 300_000);

/** Reads a file slowly. @returns its hash, and how many bytes came */
async function download(name: string, pauseMs: number): Promise<{ sum: string; bytes: number }> {
  const hash = createHash('sha256');
  const response = await fetch(server.url(`/spread/${name}.bin`));
  let bytes = 0;
  for await (const piece of response.body ?? []) {
    hash.update(piece);
    bytes += piece.length;
    await sleep(pauseMs);
  }
  return { sum: hash.digest('hex'), bytes };
}

test('downloads outlive more connections than are kept', async () => {
  const downloads = Promise.all([...sums.keys()].map((name) => download(name, 15)));
  let over = false;
  const before = count('volume spread: connected anew');
  const changing = (async () => {
    for (let i = 0; !over; i++) {
      await cluster.setOption('spread', 'performance.io-cache', i % 2 === 0 ? 'on' : 'off');
      await sleep(500);
    }
  })();
  const results = await downloads;
  over = true;
  await changing;
  console.log(`${count('volume spread: connected anew') - before} connections`);
  expect(count('volume spread: connected anew') - before).toBeGreaterThan(5);
  expect(results).toEqual([...sums.values()].map((sum) => ({ sum, bytes: PIECES << 20 })));
}, 240_000);

test('downloads go on to their end while a brick is added and their files move', async () => {
  const third = `${cluster.addresses[2]}:${join(cluster.dir, 'node3/bricks/spread-added')}`;
  const anew = (): number => count('volume spread: connected anew');
  const before = anew();
  const downloads = Promise.all([...sums.keys()].map((name) => download(name, 15)));
  await sleep(500);
  await changeBricks(cluster, 'add-brick', 'spread', third, 'force');
  await until('it is connected anew', 10_000, () => anew() > before);
  await cluster.gluster('volume', 'rebalance', 'spread', 'start', 'force');
  expect(await untilMigrated(cluster, 120_000, 'rebalance', 'spread', 'status')).toBe(true);
  const moved = (await cluster.gluster('volume', 'rebalance', 'spread', 'status')).match(
    /\d+\.\d+MB/,
  );
  const results = await downloads;
  console.log(`moved: ${moved?.[0] ?? 'nothing'}`);
  expect(results).toEqual([...sums.values()].map((sum) => ({ sum, bytes: PIECES << 20 })));
  await untilNothingIsLeft(server, THREADS);
}, 300_000);
