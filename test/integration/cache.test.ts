/** The cache in front of a real volume: what changes is seen, and what can't be asked for is still there. */
import { randomBytes } from 'node:crypto';
import { link, mkdir, mkdtemp, open, rename, writeFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SETTLING_MS } from '../../src/storage/cache/settling.js';
import { get, sha256 } from '../support/client.js';
import { Cluster } from '../support/cluster/cluster.js';
import { CHANGES, Freshness } from '../support/freshness.js';
import { Gfserve, until } from '../support/gfserve.js';
import { readWithRests } from '../support/resting_reader.js';

const MIB = 1 << 20;

let cluster: Cluster;
let mount: string;

beforeAll(async () => {
  cluster = await Cluster.up({ dir: await mkdtemp(join(tmpdir(), 'gfserve-cache-')), nodes: 3 });
  await cluster.createVolume('told', { replica: 3 });
  await cluster.gluster('volume', 'set', 'told', 'group', 'metadata-cache');
  await cluster.createVolume('silent', { bricks: 1 });
  mount = await cluster.mount('told');
}, 240_000);

afterAll(async () => {
  await cluster?.down();
}, 240_000);

const config = (volume: string, cache: string, more = ''): string => `
[cache]
${cache}
[volume ${volume}]
servers = ${cluster.addresses.join(', ')}
${more}
[mount main]
path = /
volume = ${volume}
`;

const cacheOf = async (server: Gfserve): Promise<Record<string, number>> =>
  (await server.worker()).volumes[0]?.cache ?? {};

describe('a volume that sends invalidations, with valid = 10m', () => {
  let server: Gfserve;
  let freshness: Freshness;

  beforeAll(async () => {
    server = await Gfserve.start({ config: config('told', 'valid = 10m\nnegative = 10m') });
    await mkdir(join(mount, 'fresh'));
    freshness = new Freshness(server.port, '/fresh', join(mount, 'fresh'));
  });

  afterAll(async () => {
    freshness?.close();
    await server?.stop();
  });

  test.each(CHANGES)('each change is seen at once: %s', async (change) => {
    for (let i = 0; i < 8; i++) {
      const { ms, problem } = await freshness.measure(change);
      expect(problem).toBeNull();
      // Far less as a rule: see the soak. Far more only where no word came.
      expect(ms).toBeLessThan(5_000);
    }
    expect((await cacheOf(server)).unannounced).toBe(0);
  });

  test('what does not change is not asked for again', async () => {
    await writeFile(join(mount, 'still.txt'), 'still');
    await get(server.port, '/still.txt');
    // What came into the folder just now is looked at again soon.
    await sleep(2_000);
    const { revalidated = 0, misses = 0, hits = 0 } = await cacheOf(server);
    for (let i = 0; i < 100; i++) await get(server.port, '/still.txt');
    const after = await cacheOf(server);
    expect((after.revalidated ?? 0) + (after.misses ?? 0)).toBeLessThanOrEqual(
      revalidated + misses + 1,
    );
    expect(after.hits).toBeGreaterThanOrEqual(hits + 99);
  });

  // The bricks say nothing of it until whoever has it open closes it.
  test('a file that somebody has open is renamed over', async () => {
    const folder = join(mount, 'open');
    await mkdir(folder);
    await writeFile(join(folder, 'file'), 'old');
    const bodyOf = async (): Promise<string> =>
      (await get(server.port, '/open/file')).body.toString();
    // Until all is settled, and looked at seldom.
    const end = performance.now() + SETTLING_MS + 2_000;
    while (performance.now() < end) {
      expect(await bodyOf()).toBe('old');
      await sleep(50);
    }
    const reader = await open(join(await cluster.mount('told'), 'open', 'file'));
    try {
      expect((await reader.read(Buffer.alloc(4), 0, 4, 0)).bytesRead).toBe(3);
      await writeFile(join(folder, 'file.new'), 'new');
      await rename(join(folder, 'file.new'), join(folder, 'file'));
      await until('it is seen', 5_000, async () => (await bodyOf()) === 'new');
    } finally {
      await reader.close();
    }
  }, 60_000);

  test('a thousand clients of a cold file of 1 MiB make one read', async () => {
    const body = randomBytes(MIB);
    await writeFile(join(mount, 'cold.bin'), body);
    await sleep(2500); // files written just now are read in another way
    const before = await cacheOf(server);
    const answers = await Promise.all(
      Array.from({ length: 1000 }, () => get(server.port, '/cold.bin')),
    );
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      expect(answer.body.equals(body)).toBe(true);
    }
    expect((await cacheOf(server)).misses).toBe((before.misses ?? 0) + 1);
  });
});

test('what everybody wants is right and new, whatever comes and goes in a cache that is too small for the rest', async () => {
  const folder = join(mount, 'busy');
  await mkdir(folder);
  const bodyOf = (name: string, version: number, size: number): Buffer =>
    Buffer.alloc(size, `${name} is at version ${version}; `);
  const hot = [300, 4_000, 20_000, 100_000].map((size, at) => ({ name: `hot-${at}`, size }));
  /** When each version was there for all to see. */
  const written = new Map<string, number[]>();
  const put = async ({ name, size }: { name: string; size: number }): Promise<void> => {
    const times = written.get(name) ?? [];
    written.set(name, times);
    await writeFile(join(folder, `${name}.new`), bodyOf(name, times.length, size));
    await rename(join(folder, `${name}.new`), join(folder, name));
    times.push(performance.now());
  };
  for (const file of hot) await put(file);
  const rest = Array.from({ length: 400 }, (_, at) => ({ name: `rest-${at}`, size: 16_000 }));
  for (const { name, size } of rest) await writeFile(join(folder, name), bodyOf(name, 0, size));

  const server = await Gfserve.start({
    config: config('told', 'size = 4M\nvalid = 10m\nnegative = 10m'),
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 12 });
  const problems: string[] = [];
  let asked = 0;
  const ask = async ({ name, size }: { name: string; size: number }): Promise<void> => {
    const askedMs = performance.now();
    const { status, body } = await get(server.port, `/busy/${name}`, { agent });
    asked += 1;
    const version = Number(/at version (\d+);/.exec(body.toString('latin1', 0, 60))?.[1]);
    if (status !== 200 || !body.equals(bodyOf(name, version, size))) {
      problems.push(`${name}: ${status} ${body.toString('latin1', 0, 60)}`);
      return;
    }
    const next = written.get(name)?.[version + 1];
    // As the volume says at once what has changed; far more than that takes.
    if (next !== undefined && askedMs - next > 3_000) {
      problems.push(`${name}: version ${version}, ${Math.round(askedMs - next)} ms after the next`);
    }
  };
  let isOver = false;
  const repeat = async (step: () => Promise<unknown>): Promise<void> => {
    while (!isOver) await step();
  };
  const any = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T;
  try {
    await Promise.all([
      ...hot.flatMap((file) => [repeat(() => ask(file)), repeat(() => ask(file))]),
      repeat(async () => {
        await ask(any(rest));
        await sleep(10);
      }),
      repeat(async () => {
        await put(any(hot));
        await sleep(400);
      }),
      (async () => {
        const startMs = performance.now();
        await until('much has come and gone', 90_000, async () => {
          const { cache } = await server.worker();
          return performance.now() - startMs > 10_000 && (cache?.evictions ?? 0) > 200;
        }).finally(() => {
          isOver = true;
        });
      })(),
    ]);
    expect(problems).toEqual([]);
    const { cache, requests } = await server.worker();
    // Some before JavaScript has seen them: most of them, on a machine that has time. All of them are counted.
    expect(cache?.quick).toBeGreaterThan(asked / 20);
    expect(requests.total).toBe(asked);
  } finally {
    agent.destroy();
    await server.stop();
  }
}, 180_000);

describe('changes of which bricks and libgfapi say nothing', () => {
  const VALID_MS = 1_000;
  /** For a machine that is busy. */
  const SLACK_MS = 1_000;
  let server: Gfserve;
  let served: string;
  /** Its folders and names are none that this gfserve has ever looked up. */
  let elsewhere: string;

  beforeAll(async () => {
    server = await Gfserve.start({ config: config('told', 'valid = 1s\nnegative = 1s') });
    served = join(mount, 'unsaid');
    elsewhere = join(mount, 'elsewhere');
    for (const folder of [served, join(served, 'folder'), elsewhere, join(elsewhere, 'folder')])
      await mkdir(folder);
    await twoNames('known');
    await writeFile(join(served, 'large.bin'), Buffer.alloc(64 * MIB, 'x'));
    for (let i = 0; i < 20; i++) {
      await writeFile(join(served, 'folder', `f${i}`), 'old');
      await writeFile(join(elsewhere, 'folder', `f${i}`), 'new');
    }
    await sleep(SETTLING_MS + 1_500);
  }, 60_000);

  afterAll(() => server?.stop());

  async function twoNames(name: string): Promise<void> {
    await writeFile(join(served, name), 'old');
    await link(join(served, name), join(served, `${name}-too`));
  }

  const answerTo = async (name: string): Promise<string> => {
    const { status, body } = await get(server.port, `/unsaid/${name}`);
    return status === 200 ? body.toString() : `status ${status}`;
  };

  /** Asks all the time, and says how long after now the last other answer came. */
  async function lastOther(name: string, right: string): Promise<number> {
    const start = performance.now();
    let last = 0;
    while (performance.now() - start < 3 * VALID_MS) {
      const askedMs = performance.now() - start;
      if ((await answerTo(name)) !== right) last = askedMs;
      await sleep(10);
    }
    return last;
  }

  test.each(['known', 'new'])(
    'of two names of a file that is %s, one is another file’s',
    async (name) => {
      if (name === 'new') await twoNames(name);
      for (let i = 0; i < 6; i++) {
        expect([await answerTo(name), await answerTo(`${name}-too`)]).toEqual(['old', 'old']);
        await sleep(VALID_MS / 3);
      }
      await writeFile(join(elsewhere, name), 'new');
      await rename(join(elsewhere, name), join(served, name));
      const last = await Promise.all([lastOther(name, 'new'), lastOther(`${name}-too`, 'old')]);
      expect(last[0]).toBeLessThan(VALID_MS + SLACK_MS);
      expect(last[1]).toBe(0);
    },
    60_000,
  );

  test('a file that is being sent is moved away', async () => {
    const rests = Array.from({ length: 63 }, (_, i) => ({
      at: (i + 1) * MIB,
      until: () => sleep(100),
    }));
    const reading = readWithRests(server.port, '/unsaid/large.bin', rests);
    await sleep(1_500);
    await rename(join(served, 'large.bin'), join(elsewhere, 'large.bin'));
    const start = performance.now();
    const headers = { Range: 'bytes=0-0' };
    await until('it is seen', VALID_MS + SLACK_MS, async () => {
      return (await get(server.port, '/unsaid/large.bin', { headers })).status === 404;
    });
    expect(performance.now() - start).toBeLessThan(VALID_MS + SLACK_MS);
    expect(await reading).toMatchObject({ status: 200, complete: true });
  }, 60_000);

  test('a folder in use changes places with another one', async () => {
    const watched = Array.from({ length: 20 }, (_, i) => `folder/f${i}`);
    for (const name of watched) expect(await answerTo(name)).toBe('old');
    await rename(join(served, 'folder'), join(elsewhere, 'was'));
    await rename(join(elsewhere, 'folder'), join(served, 'folder'));
    const last = await Promise.all(watched.map((name) => lastOther(name, 'new')));
    expect(Math.max(...last)).toBeLessThan(VALID_MS + SLACK_MS);
  }, 60_000);
});

describe('a volume that sends none', () => {
  test.each(['upcall', 'off'])(
    'changes are seen when valid is over, and told in the log once: invalidate = %s',
    async (invalidate) => {
      const server = await Gfserve.start({
        config: config('silent', 'valid = 1s\nnegative = 1s', `invalidate = ${invalidate}`),
      });
      const folder = join(await cluster.mount('silent'), `fresh-${invalidate}`);
      await mkdir(folder);
      const freshness = new Freshness(server.port, `/fresh-${invalidate}`, folder);
      try {
        for (const change of CHANGES) {
          const { ms, problem } = await freshness.measure(change);
          expect(problem).toBeNull();
          // Well within 1.2 s on a machine that has time: see the soak.
          expect(ms).toBeLessThan(5_000);
        }
        if (invalidate === 'upcall') {
          await until('it is told', 5_000, () => /did not say so/.test(server.log));
          expect(server.log.match(/did not say so/g)).toHaveLength(1);
          expect((await cacheOf(server)).unannounced).toBeGreaterThan(0);
        } else {
          await sleep(1_500);
          expect(server.log).not.toMatch(/did not say so/);
        }
      } finally {
        freshness.close();
        await server.stop();
      }
    },
    60_000,
  );
});

test('while the volume is down copies are served, marked and counted, until stale-if-error is over', async () => {
  const server = await Gfserve.start({
    config: config('silent', 'valid = 1s\nstale-if-error = 12s'),
  });
  try {
    const folder = await cluster.mount('silent');
    await writeFile(join(folder, 'copy.txt'), 'a copy');
    expect((await get(server.port, '/copy.txt')).body.toString()).toBe('a copy');
    await cluster.killBrick('silent', 0);
    await sleep(2_000);
    const stale = await get(server.port, '/copy.txt');
    expect([stale.status, stale.body.toString()]).toEqual([200, 'a copy']);
    expect(stale.headers['cache-status']).toMatch(/^gfserve; hit; ttl=-\d+$/);
    expect((await cacheOf(server)).stale).toBeGreaterThan(0);
    expect((await get(server.port, '/another.txt')).status).toBe(503);
    await until('the copy is too old', 15_000, async () => {
      return (await get(server.port, '/copy.txt')).status === 503;
    });
    await cluster.startBricks('silent');
    await until('it is served again', 15_000, async () => {
      return (await get(server.port, '/copy.txt')).status === 200;
    });
    expect((await get(server.port, '/copy.txt')).headers['cache-status']).toBeUndefined();
  } finally {
    await server.stop();
  }
}, 240_000);

test('the memory of the process follows the budget', async () => {
  const server = await Gfserve.start({ config: config('told', 'size = 32M\nvalid = 10m') });
  try {
    await mkdir(join(mount, 'many'));
    const body = randomBytes(100_000);
    for (let i = 0; i < 600; i++) await writeFile(join(mount, 'many', `${i}`), body);
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 600; i += 20) {
        const names = Array.from({ length: 20 }, (_, at) => `/many/${i + at}`);
        const answers = await Promise.all(names.map((name) => get(server.port, name)));
        for (const answer of answers) expect(answer.body.equals(body)).toBe(true);
      }
    }
    const { cache } = await server.worker();
    expect(cache?.bytes).toBeLessThanOrEqual(32 * MIB);
    expect(cache?.bytes).toBeGreaterThan(30 * MIB);
    expect(cache?.evictions).toBeGreaterThan(500);
  } finally {
    await server.stop();
  }
}, 240_000);

test('what is being sent stays what it was while others take the room around it', async () => {
  const FILES = 320;
  const SIZE = 120_000;
  await mkdir(join(mount, 'room'));
  const large = randomBytes(12 * MIB);
  await writeFile(join(mount, 'room', 'large.bin'), large);
  for (let file = 0; file < FILES; file++) {
    await writeFile(join(mount, 'room', `${file}`), Buffer.alloc(SIZE, file));
  }
  // No part is kept of what has just been written.
  await sleep(SETTLING_MS);
  // A large file's parts, of 256 KiB, lie in the same regions as the small files.
  const cache = 'size = 32M\nmax-object = 200K\nvalid = 10m\nnegative = 10m';
  const server = await Gfserve.start({ config: config('told', cache) });
  const inCache = async (): Promise<Readonly<Record<string, number>>> =>
    (await server.worker()).cache ?? {};
  let goOn = (): void => undefined;
  const gate = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  let resting = 0;
  const rest = (at: number) => ({
    at,
    until: () => {
      resting += 1;
      return gate;
    },
  });
  try {
    for (let turn = 0; turn < 2; turn++) {
      const { body } = await get(server.port, '/room/large.bin');
      expect(body.equals(large)).toBe(true);
    }
    expect((await inCache()).blockBytes).toBeGreaterThan(4 * MIB);
    const readers = [1, 300_000, 600_000, MIB, 2 * MIB, 3 * MIB].map((at) =>
      readWithRests(server.port, '/room/large.bin', [rest(at)]),
    );
    const all = Promise.all(readers);
    await until('all rest', 60_000, () => resting === readers.length);
    const { evictions: before = 0 } = await inCache();
    for (let turn = 0; turn < 2; turn++) {
      for (let file = 0; file < FILES; file++) {
        const { body } = await get(server.port, `/room/${file}`);
        if (!body.equals(Buffer.alloc(SIZE, file))) throw new Error(`wrong bytes of ${file}`);
      }
    }
    expect((await inCache()).evictions).toBeGreaterThan(before + FILES);
    goOn();
    const wanted = { status: 200, bytes: large.length, sha256: sha256(large), complete: true };
    for (const received of await all) expect(received).toEqual(wanted);
  } finally {
    goOn();
    await server.stop();
  }
}, 240_000);
