/** Many requests for one thing: one look at the volume, and nobody gets what is too old for them. */
import { describe, expect, test } from '@jest/globals';
import type { CacheOptions } from '../../src/storage/cache/options.js';
import type { StorageErrorCode } from '../../src/storage/storage.js';
import { cacheOnVolume, get, MIB, open, requestFor, told } from '../support/fake_cache.js';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const realNow = performance.now.bind(performance);

describe('one look for all', () => {
  test('a thousand requests for a cold file of 1 MiB read it once', async () => {
    const { volume, cache } = cacheOnVolume();
    const body = Buffer.alloc(MIB, 'x');
    volume.write('/a', body);
    volume.delayMs = 5;
    const all = Array.from({ length: 1000 }, () => open(cache, requestFor('/a')));
    for (const result of await Promise.all(all)) {
      if (!result.ok || !result.chunk) throw new Error('no body');
      expect(body.equals(result.chunk.bytes)).toBe(true);
      expect(result.cache?.collapsed).toBe(true);
      result.chunk.release();
    }
    expect(volume.opens).toHaveLength(1);
    const bytes = volume.reads.reduce((sum, [, length]) => sum + length, 0);
    expect(bytes).toBe(MIB - 64 * 1024);
    await pause(20);
    expect(volume.lent).toBe(0);
  });

  test('who goes away does not take the others along; the last one ends it', async () => {
    const { volume, cache } = cacheOnVolume();
    volume.write('/a', 'hello');
    volume.delayMs = 20;
    const never = (): void => {
      throw new Error('called after a cancel');
    };
    const cancel = cache.open(requestFor('/a'), never);
    const other = get(cache, '/a');
    cancel();
    expect(await other).toBe('file hello miss');
    volume.write('/b', 'hello');
    const cancels = [1, 2].map(() => cache.open(requestFor('/b'), never));
    for (const each of cancels) each();
    await pause(40);
    expect(volume.opens).toHaveLength(2);
    expect(await get(cache, '/b')).toBe('file hello miss');
    const whole = cache.open(requestFor('/b'), never);
    whole();
    await pause(5);
    expect(volume.lent).toBe(0);
  });

  test('a file that is read whole when the last one goes is given back', async () => {
    const { volume, memory, cache } = cacheOnVolume();
    volume.write('/a', Buffer.alloc(MIB));
    const cancel = cache.open(requestFor('/a'), () => {
      throw new Error('called after a cancel');
    });
    while (volume.reads.length === 0) await pause(1);
    cancel();
    await pause(20);
    expect([volume.lent, memory.bytes]).toEqual([0, 0]);
  });

  test('a stat joins a read, a read does not join a stat', async () => {
    const { volume, cache } = cacheOnVolume();
    volume.write('/a', 'hello');
    volume.delayMs = 10;
    const results = [
      get(cache, '/a', { body: false }),
      get(cache, '/a'),
      get(cache, '/a', { body: false }),
    ];
    expect(await Promise.all(results)).toEqual(['file  miss', 'file hello miss', 'file  miss']);
    expect(volume.opens.map(({ body }) => body)).toEqual([false, true]);
    expect(await get(cache, '/a', { body: false })).toBe('file  hit');
  });

  test('who joined late is not given up with the first one', async () => {
    const { volume, cache } = cacheOnVolume({ requestTimeoutMs: 200 });
    volume.write('/a', 'hello');
    volume.delayMs = 60;
    volume.failure = 'timeout';
    const first = get(cache, '/a', { waitedMs: 190 });
    const late = get(cache, '/a');
    expect(await first).toBe('timeout -');
    volume.failure = null;
    expect(await late).toBe('file hello miss');
  });

  test.each<[string, Partial<CacheOptions>, number]>([
    ['valid', { validMs: 0 }, 2],
    ['valid', { validMs: 5, negativeMs: 0 }, 2],
    ['valid', { validMs: 1000 }, 1],
    ['max-object', { validMs: 0, maxObjectBytes: 1 }, 2],
  ])(
    'what is too old for those who joined late is asked for once more, for all of them: %s %j',
    async (_, options, opens) => {
      const { volume, cache } = cacheOnVolume(options);
      volume.write('/a', 'hello');
      volume.delayMs = 150;
      const first = get(cache, '/a');
      await pause(15);
      const late = [];
      for (let count = 0; count < 20; count++) {
        late.push(get(cache, '/a'));
        if (count % 10 === 9) await pause(1);
      }
      expect(await first).toBe('file hello miss');
      const texts = (await Promise.all(late)).map((text) => text.replace('revalidated', 'miss'));
      expect(texts).toEqual(Array(20).fill('file hello miss'));
      expect([volume.opens.length, volume.lent]).toEqual([opens, 0]);
    },
  );

  test('nor do they take what was said to have changed before they came', async () => {
    const { volume, cache } = cacheOnVolume();
    volume.delayMs = 150;
    const { gfid } = volume.write('/a', 'hello');
    const first = get(cache, '/a');
    await pause(10);
    volume.tell({ kind: 'changed', gfid });
    const late = get(cache, '/a');
    expect(await first).toBe('file hello miss');
    expect(await late).toBe('file hello revalidated');
    expect(volume.opens).toHaveLength(2);
  });

  test.each<[string, number]>([
    ['forbidden', 2],
    ['io', 1],
  ])('nor an older refusal: %s', async (code, opens) => {
    const { volume, cache } = cacheOnVolume();
    volume.delayMs = 150;
    volume.failure = code as StorageErrorCode;
    const first = get(cache, '/a');
    await pause(10);
    const late = get(cache, '/a');
    expect([await first, await late]).toEqual([`${code} -`, `${code} -`]);
    expect(volume.opens).toHaveLength(opens);
  });

  test('nobody joins a look at a volume that went down meanwhile', async () => {
    const { volume, cache } = cacheOnVolume();
    volume.write('/a', 'hello');
    volume.delayMs = 60;
    const hanging = get(cache, '/a');
    const left = cache.open(requestFor('/b'), () => {
      throw new Error('called after a cancel');
    });
    volume.tell({ kind: 'down' });
    left();
    volume.delayMs = 0;
    volume.failure = 'down';
    const startMs = realNow();
    expect(await get(cache, '/a')).toBe('down -');
    expect(realNow() - startMs).toBeLessThan(40);
    volume.failure = null;
    expect(await hanging).toBe('file hello miss');
  });

  test('what is not to be kept is lent to all who wait', async () => {
    const { volume, memory, cache } = cacheOnVolume({ maxObjectBytes: 10 });
    volume.write('/a', 'longer than ten');
    volume.delayMs = 5;
    const results = await Promise.all([1, 2, 3].map(() => open(cache, requestFor('/a'))));
    expect(volume.lent).toBe(1);
    expect(results.map(told)).toEqual(Array(3).fill('file longer than ten miss'));
    expect([volume.lent, volume.opens.length]).toEqual([0, 1]);
    expect(memory.bytes).toBeLessThan(2000);
    expect(await get(cache, '/a')).toBe('file longer than ten miss');
  });
});
