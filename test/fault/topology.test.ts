/**
 * Changes the volumes themselves, one change after the other, while two of them (distributed, and three copies) are asked 50
 * times a second each and every body is compared: add-brick and rebalance, remove-brick, replace-brick, options that make clients
 * exchange their graph, the bricks' invalidations on and off, a restart of a glusterd, stop and start.
 * Measured: answers of each step; memory at the begin and the end. `npm run soak` does many such cycles.
 * Must hold: no wrong body, ever. No failed request, but 503 in the documented windows: while the volume is stopped, and until
 * 5 s after its start; and for files of a brick that is gone for longer than requests wait for it.
 */
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Cluster } from '../support/cluster/cluster.js';
import { changeBricks, untilMigrated } from '../support/cluster/migration.js';
import {
  anyFile,
  content,
  createFiles,
  section,
  startCluster,
  untilNothingIsLeft,
  untilServed,
} from '../support/faults.js';
import { Gfserve, processFigures, until } from '../support/gfserve.js';
import { describe, Load } from '../support/load.js';

const FILES = 200;
const THREADS = 4;
const VOLUMES = ['spread', 'copied'];
/** What is gone for less is waited for: PASSING_MS in src/storage/health.ts, less a look at the bricks. */
const WAITED_FOR_S = 3.8;
/** A change may have effects for a while after its command has ended. */
const AFTER_MS = 1_500;

let cluster: Cluster;
let server: Gfserve;

beforeAll(async () => {
  cluster = await startCluster('topology', 3);
  await createFiles(cluster, 'spread', FILES, { bricks: 2 });
  await createFiles(cluster, 'copied', FILES, { replica: 3 });
  const more = `threads = ${THREADS}`;
  server = await Gfserve.start({
    config: VOLUMES.map((volume) => section(cluster, volume, more)).join('\n'),
  });
}, 240_000);

afterAll(async () => {
  await server?.stop();
  await cluster?.down();
}, 240_000);

const changes = (): number => server.log.split('its layout has changed').length - 1;
const reconnects = (volume: string): number =>
  server.log.split(`volume ${volume}: connected anew`).length - 1;
const rssMiB = async (): Promise<number> =>
  Math.round(processFigures((await server.worker()).pid).rss / (1 << 20));

/** Whether bricks of the volume are missing, as the log says after so many characters. */
function isDegraded(volume: string, since: number): boolean {
  const log = server.log.slice(since);
  return (
    log.lastIndexOf(`volume ${volume}: degraded`) > log.lastIndexOf(`volume ${volume}: healthy`)
  );
}

/** For how long, in seconds, the volume has been degraded at most, of those times that ended since the log had so many characters. */
function longestDegraded(volume: string, since: number): number {
  const ended = new RegExp(
    `volume ${volume}: healthy again after ([\\d.]+) s of being degraded`,
    'g',
  );
  const times = [...server.log.slice(since).matchAll(ended)].map(([, seconds]) => Number(seconds));
  return Math.max(0, ...times);
}

/** Loads both volumes around a change. `mayAnswer503`: the one that may have 503 besides 200, asked after the change. */
async function under(
  what: string,
  change: () => Promise<void>,
  mayAnswer503: () => string | null = () => null,
): Promise<void> {
  const loads = VOLUMES.map(
    (volume) => new Load({ port: server.port, perSecond: 50, next: anyFile(volume, FILES) }),
  );
  await sleep(300);
  await change();
  await sleep(AFTER_MS);
  const results = await Promise.all(loads.map((load) => load.stop()));
  console.log(
    `${what}: ${VOLUMES.map((name, i) => `${name}: ${describe(results[i] ?? [])}`).join('; ')}; ${await rssMiB()} MiB`,
  );
  const stopped = mayAnswer503();
  for (const [i, samples] of results.entries()) {
    const failed = samples.filter(({ right }) => !right);
    const expected =
      VOLUMES[i] === stopped ? failed.filter(({ status }) => status !== 503) : failed;
    if (expected.length > 0)
      throw new Error(
        `${what}: ${VOLUMES[i]}: ${describe(samples)}; among them ${JSON.stringify(expected.slice(0, 3))}`,
      );
  }
}

/** The address and folder of a further brick. */
async function newBrick(volume: string, like: number, name: string): Promise<string> {
  const [first] = (await cluster.bricks(volume)).slice(like);
  if (!first) throw new Error(`${volume} has no brick ${like}`);
  return `${first.address}:${join(dirname(first.path), name)}`;
}

async function noticed(change: () => Promise<void>): Promise<void> {
  const before = changes();
  await change();
  await until('the new layout is noticed', 15_000, () => changes() > before);
}

test('add-brick and rebalance: no file is missed while it moves', async () => {
  await under('add-brick and rebalance', async () => {
    const brick = await newBrick('spread', 0, 'spread-added');
    await noticed(async () => {
      await changeBricks(cluster, 'add-brick', 'spread', brick, 'force');
    });
    await cluster.gluster('volume', 'rebalance', 'spread', 'start', 'force');
    expect(await untilMigrated(cluster, 60_000, 'rebalance', 'spread', 'status')).toBe(true);
  });
});

test('remove-brick: its files are found where they went, while it goes and after', async () => {
  await under('remove-brick', async () => {
    const brick = await newBrick('spread', 0, 'spread-added');
    await changeBricks(cluster, 'remove-brick', 'spread', brick, 'start');
    expect(await untilMigrated(cluster, 60_000, 'remove-brick', 'spread', brick, 'status')).toBe(
      true,
    );
    await noticed(async () => {
      await changeBricks(cluster, 'remove-brick', 'spread', brick, 'commit');
    });
  });
});

test('replace-brick: two copies go on serving', async () => {
  await under('replace-brick', async () => {
    const from = (await cluster.bricks('copied'))[2];
    if (!from) throw new Error('copied has three bricks');
    const to = await newBrick('copied', 2, 'copied-replaced');
    await noticed(async () => {
      const old = `${from.address}:${from.path}`;
      await changeBricks(cluster, 'replace-brick', 'copied', old, to, 'commit', 'force');
    });
  });
});

test('options that make another graph', async () => {
  for (const [key, value] of [
    ['performance.io-cache', 'on'],
    ['performance.read-ahead', 'on'],
    ['performance.io-cache', 'off'],
  ] as const) {
    await under(`${key} ${value}`, async () => {
      for (const volume of VOLUMES) {
        await noticed(() => cluster.setOption(volume, key, value));
      }
    });
  }
});

// A new connection asks each node's glusterd where its bricks listen.
test('while a glusterd is dead no connection is exchanged for one that misses bricks', async () => {
  await sleep(AFTER_MS); // the one before has been exchanged
  const before = reconnects('spread');
  const logged = server.log.length;
  await under(
    'another layout and a dead glusterd',
    async () => {
      await cluster.killGlusterd(1);
      await noticed(() => cluster.setOption('spread', 'performance.io-cache', 'on'));
      await sleep(20_000);
      expect(reconnects('spread')).toBe(before);
      expect(longestDegraded('spread', logged)).toBe(0);
      await cluster.startGlusterd(1);
      await until('it is connected anew', 60_000, () => reconnects('spread') > before);
      await sleep(AFTER_MS);
      await until('its brick is back', 60_000, () => !isDegraded('spread', logged));
    },
    // A glusterd that has missed a change stops its bricks of the volume and starts them (glusterd_volinfo_stop_stale_bricks).
    () => {
      const seconds = longestDegraded('spread', logged);
      console.log(`its brick was gone for ${seconds} s`);
      return seconds > WAITED_FOR_S ? 'spread' : null;
    },
  );
}, 240_000);

test('invalidations off and on', async () => {
  const set = async (value: string): Promise<void> => {
    for (const volume of VOLUMES) {
      await cluster.setOption(volume, 'features.cache-invalidation', value);
      await cluster.setOption(volume, 'performance.cache-invalidation', value);
    }
  };
  await under('invalidations on', () => noticed(() => set('on')));
  await server.stop();
  const more = `threads = ${THREADS}`;
  server = await Gfserve.start({
    config: VOLUMES.map((volume) => section(cluster, volume, more)).join('\n'),
  });
  const before = VOLUMES.map(reconnects);
  await under('invalidations off', async () => {
    await set('off');
    await until('both are connected anew', 15_000, () =>
      VOLUMES.every((volume, i) => reconnects(volume) > (before[i] ?? 0)),
    );
  });
});

test('a glusterd is killed and started: nothing happens', async () => {
  await under('glusterd restarted', async () => {
    await cluster.killGlusterd(1);
    await sleep(1_000);
    await cluster.startGlusterd(1);
  });
});

test('stop and start: 503 meanwhile, and right again within 5 s of the start', async () => {
  await under(
    'stop and start',
    async () => {
      await cluster.stopVolume('copied');
      await sleep(1_000);
      await cluster.startVolume('copied');
      const path = '/copied/3.txt';
      const backMs = await untilServed(server, path, content('copied', 3), 5_000);
      console.log(`back ${Math.round(backMs)} ms after the start`);
    },
    () => 'copied',
  );
  await untilNothingIsLeft(server, THREADS);
});
