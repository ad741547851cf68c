/** What a volume tells a cache: versions that are still the same, the way to a file, and what changes. */
import { chmod, mkdir, mkdtemp, open, rename, unlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Cluster } from '../support/cluster/cluster.js';
import { until } from '../support/gfserve.js';
import { type Answer, VolumeProcess } from '../support/volume_process.js';

const INVALIDATIONS = {
  'features.cache-invalidation': 'on',
  'features.cache-invalidation-timeout': '600',
  'performance.cache-invalidation': 'on',
  'performance.md-cache-timeout': '600',
};
/** For busy machines: events come within milliseconds. */
const SOON_MS = 3_000;
const LOST_MS = 20_000;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.up({ dir: await mkdtemp(join(tmpdir(), 'gfserve-events-')), nodes: 2 });
  await cluster.createVolume('site', { replica: 2, options: INVALIDATIONS });
  await cluster.createVolume('bricks', {
    replica: 2,
    options: { 'features.cache-invalidation': 'on' },
  });
}, 240_000);

afterAll(async () => {
  await cluster?.down();
}, 240_000);

/** fsync, because write-behind answers before the bricks have it. */
async function write(path: string, content: string, flags = 'w'): Promise<void> {
  const handle = await open(path, flags);
  await handle.write(content, 0);
  await handle.sync();
  await handle.close();
}

describe.each(['site', 'bricks'])('the volume %s', (name) => {
  let mount: string;
  let volume: VolumeProcess;

  beforeAll(async () => {
    mount = await cluster.mount(name);
  });

  beforeEach(async () => {
    volume = await VolumeProcess.start(name, cluster.addresses[0] ?? '');
  });

  afterEach(async () => {
    await volume?.stop();
  });

  const hears = async (
    kind: 'changed' | 'unwatched' | 'lost',
    gfid?: string,
    withinMs = SOON_MS,
  ): Promise<void> => {
    await until(`${kind} ${gfid ?? ''}`, withinMs, () => volume.heard(kind, gfid));
  };

  async function ok(path: string): Promise<Required<Pick<Answer, 'stat' | 'candidate'>> & Answer> {
    const answer = await volume.ask({ candidates: [path], trail: true });
    const { stat, candidate } = answer;
    if (stat === undefined || candidate === undefined) throw new Error(`${path}: ${answer.code}`);
    return { ...answer, stat, candidate };
  }

  test('a known version is unchanged until it is another one', async () => {
    await write(join(mount, 'known'), 'first');
    const first = await ok('known');
    expect(first).toMatchObject({ body: 'first', unchanged: false });
    const ask = (known: { candidate: number; stat: typeof first.stat }): Promise<Answer> =>
      volume.ask({ candidates: ['known'], known });
    expect(await ask(first)).toMatchObject({ unchanged: true, body: null, stat: first.stat });
    expect(await ask({ ...first, candidate: 1 })).toMatchObject({ unchanged: false });

    const time = new Date(first.stat.mtimeSeconds * 1000);
    await write(join(mount, 'known'), 'FIRST', 'r+');
    await utimes(join(mount, 'known'), time, time);
    await hears('changed', first.stat.gfid);
    const second = await ask(first);
    expect(second).toMatchObject({ unchanged: false, body: 'FIRST' });
    expect(second.stat?.gfid).toBe(first.stat.gfid);
    expect(first.trail?.length).toBe(1);
    expect(second.trail).toBeNull();
  });

  test('what a way leads over is told when it changes', async () => {
    await mkdir(join(mount, 'a', 'b'), { recursive: true });
    await write(join(mount, 'a', 'b', 'file'), 'x');
    const file = await ok('a/b/file');
    const [a, b] = [(await ok('a/')).stat.gfid, (await ok('a/b/')).stat.gfid];
    expect(file.trail?.slice(1)).toEqual([a, b]);
    volume.forget();
    await chmod(join(mount, 'a', 'b'), 0o700);
    await hears('changed', b);
    expect(volume.heard('changed', a)).toBe(false);
    await rename(join(mount, 'a', 'b'), join(mount, 'a', 'c'));
    await hears('changed', a);
    expect((await volume.ask({ candidates: ['a/b/file'] })).code).toBe('not-found');
    await unlink(join(mount, 'a', 'c', 'file'));
    await hears('changed', file.stat.gfid);
  });

  test('a name that is made is told to whoever missed it', async () => {
    await mkdir(join(mount, 'empty'));
    const missing = await volume.ask({ candidates: ['empty/file'], trail: true });
    expect(missing.code).toBe('not-found');
    const folder = missing.trail?.[1];
    volume.forget();
    await write(join(mount, 'empty', 'file'), 'x');
    await hears('changed', folder);
    expect((await ok('empty/file')).body).toBe('x');
  });

  test('whoever keeps an answer until the next event never keeps an old one', async () => {
    const path = join(mount, 'kept');
    await write(path, '0');
    const { gfid } = (await ok('kept')).stat;
    let kept: string | null = null;
    volume.onMessage = (message) => {
      if ('answer' in message) kept = message.answer.body;
      else if (message.event.kind === 'lost' || message.event.kind === 'down') kept = null;
      else if (message.event.gfid === gfid) kept = null;
    };
    for (let generation = 1; generation <= 40; generation++) {
      const written = write(path, String(generation), 'r+');
      const asked: Promise<Answer>[] = [];
      for (let i = 0; i < 4; i++) {
        asked.push(volume.ask({ candidates: ['kept'] }));
        await sleep(1);
      }
      await Promise.all([written, ...asked]);
      if (generation % 10 !== 0) continue;
      await sleep(500);
      // What is old and will not be told of would stay so.
      await until(`${kept} is not kept after ${generation}`, SOON_MS, () => {
        return kept === null || kept === String(generation);
      });
    }
  });

  test('a brick that goes and comes back may have told something to nobody', async () => {
    await writeFile(join(mount, 'brick'), 'x');
    const { gfid } = (await ok('brick')).stat;
    await sleep(1000); // the first look at the bricks
    volume.forget();
    await cluster.killBrick(name, 1);
    await hears('lost', undefined, LOST_MS);
    volume.forget();
    await cluster.startBricks(name);
    await hears('lost', undefined, LOST_MS);
    await ok('brick');
    await write(join(mount, 'brick'), 'y', 'r+');
    await hears('changed', gfid);
  });

  test('a new layout, too', async () => {
    await sleep(1000);
    volume.forget();
    await cluster.setOption(name, 'performance.io-cache', 'on');
    await hears('lost', undefined, LOST_MS);
    await write(join(mount, 'layout'), 'x');
    await ok('layout');
    volume.forget();
    await write(join(mount, 'layout'), 'y', 'r+');
    await hears('changed', (await ok('layout')).stat.gfid);
  });
});
