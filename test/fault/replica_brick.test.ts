/**
 * Breaks: one of three replica bricks, killed and then frozen (SIGSTOP), while its volume is asked 100 times a second; on a
 * volume with GlusterFS' defaults, and on one with the options of `group metadata-cache`.
 * Measured: statuses; how long the slowest waited; when the last one that waited was asked.
 * Must hold: no request fails and no body is wrong. None waits longer than ping-timeout + 2 s, and none that is asked after
 * the brick has been given up waits at all.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Cluster } from '../support/cluster/cluster.js';
import {
  anyFile,
  createFiles,
  section,
  startCluster,
  untilNothingIsLeft,
  volumeStatus,
} from '../support/faults.js';
import { Gfserve, until } from '../support/gfserve.js';
import { describe, Load, type Sample } from '../support/load.js';

const PING_TIMEOUT_MS = 4_000;
/** What a request may take that meets nothing hung, on a busy machine. */
const AT_ONCE_MS = 1_000;
/** A brick is given up after ping-timeout at the latest; it takes a moment to be acted on. */
const GIVEN_UP_MS = PING_TIMEOUT_MS + 2_000;
const LOAD_BEFORE_MS = 1_000;
const THREADS = 4;
const FILES = 200;
/** As /var/lib/glusterd/groups/metadata-cache has them. */
const METADATA_CACHE = {
  'features.cache-invalidation': 'on',
  'features.cache-invalidation-timeout': '600',
  'performance.stat-prefetch': 'on',
  'performance.cache-invalidation': 'on',
  'performance.md-cache-timeout': '600',
  'network.inode-lru-limit': '200000',
};
const VOLUMES = ['plain', 'cached'];

let cluster: Cluster;
let server: Gfserve;

beforeAll(async () => {
  cluster = await startCluster('replica-brick', 3);
  await createFiles(cluster, 'plain', FILES, { replica: 3 });
  await createFiles(cluster, 'cached', FILES, { replica: 3, options: METADATA_CACHE });
  const more = `threads = ${THREADS}\nping-timeout = ${PING_TIMEOUT_MS / 1_000}s`;
  server = await Gfserve.start({
    config: VOLUMES.map((volume) => section(cluster, volume, more)).join('\n'),
  });
}, 240_000);

afterAll(async () => {
  await server?.stop();
  await cluster?.down();
}, 240_000);

/** Loads both volumes around `breaking`, and for `ms` after it. Times of samples count from when it was done. */
async function underLoad(ms: number, breaking: () => Promise<void>): Promise<Sample[][]> {
  const loads = VOLUMES.map(
    (volume) => new Load({ port: server.port, perSecond: 100, next: anyFile(volume, FILES) }),
  );
  await sleep(LOAD_BEFORE_MS);
  await breaking();
  const brokenAt = loads.map((load) => load.nowMs);
  await sleep(ms);
  return await Promise.all(
    loads.map(async (load, i) => {
      const samples = await load.stop();
      return samples.map((sample) => ({ ...sample, atMs: sample.atMs - (brokenAt[i] ?? 0) }));
    }),
  );
}

const inAll = (what: (volume: string) => Promise<void>): Promise<unknown> =>
  Promise.all(VOLUMES.map(what));

async function untilHealthy(): Promise<void> {
  await inAll(async (volume) => {
    await until(`${volume} is healthy`, 20_000, async () => {
      return (await volumeStatus(server, volume)).state === 'healthy';
    });
  });
}

test('one of three bricks is killed: no request fails, none waits', async () => {
  await untilHealthy();
  const results = await underLoad(3_000, async () => {
    await inAll((volume) => cluster.killBrick(volume, 1));
  });
  for (const [i, samples] of results.entries()) {
    console.log(`${VOLUMES[i]}, brick killed: ${describe(samples)}`);
    expect(samples.filter(({ right }) => !right)).toEqual([]);
    expect(Math.max(...samples.map(({ ms }) => ms))).toBeLessThan(AT_ONCE_MS);
  }
  await inAll((volume) =>
    until(`${volume} says so`, 5_000, () =>
      server.log.includes(`volume ${volume}: degraded: 1 of 3 bricks not connected`),
    ).then(() => undefined),
  );
  await inAll((volume) => cluster.startBricks(volume));
  await untilHealthy();
});

test.each([0, 2])(
  'brick %d of three hangs: no request fails, each waits at most once',
  async (brick) => {
    await untilHealthy();
    const results = await underLoad(GIVEN_UP_MS + 2_000, async () => {
      await inAll((volume) => cluster.stopBrick(volume, brick));
    });
    const back = await underLoad(3_000, async () => {
      await inAll((volume) => cluster.contBrick(volume, brick));
    });
    for (const [i, samples] of results.entries()) {
      const waited = samples.filter(({ ms }) => ms > AT_ONCE_MS);
      const last = Math.max(...waited.map(({ atMs }) => atMs), 0);
      console.log(
        `${VOLUMES[i]}, brick ${brick} hangs: ${describe(samples)}; ${waited.length} waited, ` +
          `the last one asked ${Math.round(last)} ms after it froze; back: ${describe(back[i] ?? [])}`,
      );
      expect(samples.filter(({ right }) => !right)).toEqual([]);
      expect(Math.max(...samples.map(({ ms }) => ms))).toBeLessThan(PING_TIMEOUT_MS + 2_000);
      expect(last).toBeLessThan(GIVEN_UP_MS);
    }
    for (const samples of back) expect(samples.filter(({ right }) => !right)).toEqual([]);
    await untilHealthy();
    await untilNothingIsLeft(server, THREADS);
  },
);
