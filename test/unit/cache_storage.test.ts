/** The cache in front of a volume, on a volume of the test's own. */
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import type { CachedStorage } from '../../src/storage/cache/cached_storage.js';
import type { OpenResult } from '../../src/storage/storage.js';
import { cacheOnVolume, get, MIB, open, requestFor, told } from '../support/fake_cache.js';
import { type FakeVolume, gfidOf } from '../support/fake_volume.js';

afterEach(() => {
  jest.restoreAllMocks();
});

const realNow = performance.now.bind(performance);

/** Sets the clock that the cache reads so far ahead. */
function advance(ms: number): void {
  jest.spyOn(performance, 'now').mockImplementation(() => realNow() + ms);
}

describe('what is fresh', () => {
  test('is answered without asking, at once', async () => {
    const { volume, cache } = cacheOnVolume();
    volume.write('/a', 'hello');
    expect(cache.peek(requestFor('/a'))).toBeNull();
    expect(await get(cache, '/a')).toBe('file hello miss');
    const again = cache.peek(requestFor('/a'));
    expect(again && told(again)).toBe('file hello hit');
    expect(await get(cache, '/a')).toBe('file hello hit');
    expect([volume.opens.length, volume.lent]).toEqual([1, 0]);
    expect(cache.stats()).toMatchObject({ hits: 2, misses: 1, entries: 1 });
  });

  test('is revalidated without a body when its time is over', async () => {
    const { volume, cache } = cacheOnVolume({ validMs: 1000 });
    const stat = volume.write('/a', 'hello');
    await get(cache, '/a');
    advance(1001);
    expect(await get(cache, '/a')).toBe('file hello revalidated');
    expect(volume.opens[1]).toMatchObject({ known: { candidate: 0, stat }, trail: true });
    expect(await get(cache, '/a')).toBe('file hello hit');
    volume.write('/a', 'other');
    advance(2002);
    expect(await get(cache, '/a')).toBe('file other miss');
    expect(volume.lent).toBe(0);
  });

  test.each([
    [
      'overwritten in place',
      (volume: FakeVolume) => volume.write('/d/a', 'new', true),
      'file new miss',
    ],
    ['renamed over', (volume: FakeVolume) => volume.write('/d/a', 'new'), 'file new miss'],
    ['removed', (volume: FakeVolume) => volume.remove('/d/a'), 'not-found miss'],
    ['left alone', () => undefined, 'file old revalidated'],
  ])('ends with the word of the volume: %s', async (_, change, expected) => {
    for (const which of ['/', '/d', 'itself']) {
      const { volume, cache } = cacheOnVolume();
      const { gfid } = volume.write('/d/a', 'old');
      await get(cache, '/d/a');
      change(volume);
      expect(await get(cache, '/d/a')).toBe('file old hit');
      volume.tell({ kind: 'changed', gfid: gfidOf('another') });
      expect(await get(cache, '/d/a')).toBe('file old hit');
      volume.tell({ kind: 'changed', gfid: which === 'itself' ? gfid : gfidOf(which) });
      expect(await get(cache, '/d/a')).toBe(expected);
      expect(cache.stats().invalidations).toBe(1);
    }
  });

  test('is believed for as long as its folder had been quiet, as not every change in it is told', async () => {
    const { volume, cache } = cacheOnVolume({ validMs: 5_000 });
    volume.write('/d/a', 'old');
    let nowMs = 0;
    const goOn = (ms: number): void => {
      nowMs += ms;
      advance(nowMs);
    };
    expect(await get(cache, '/d/a')).toBe('file old miss');
    goOn(2_000);
    volume.tell({ kind: 'changed', gfid: gfidOf('/d') });
    goOn(20);
    expect(await get(cache, '/d/a')).toBe('file old revalidated');
    // 20, 350, 800 and 1,700 ms after the word; and no longer than `valid`.
    for (const [until, over] of [
      [250, 80],
      [300, 150],
      [750, 150],
      [1_600, 200],
      [3_400, 200],
      [4_900, 200],
    ] as const) {
      goOn(until);
      expect(await get(cache, '/d/a')).toBe('file old hit');
      goOn(over);
      expect(await get(cache, '/d/a')).toBe('file old revalidated');
    }
    volume.tell({ kind: 'changed', gfid: gfidOf('/d') });
    expect(await get(cache, '/d/a')).toBe('file old revalidated');
    volume.write('/d/a', 'new');
    goOn(350);
    expect(await get(cache, '/d/a')).toBe('file new miss');
  });

  test.each(['unwatched', 'lost'] as const)(
    'ends when the volume may be silent: %s',
    async (kind) => {
      const { volume, cache } = cacheOnVolume();
      const { gfid } = volume.write('/a', 'old');
      await get(cache, '/a');
      volume.tell(kind === 'lost' ? { kind } : { kind, gfid });
      expect(await get(cache, '/a')).toBe('file old revalidated');
    },
  );

  test('with invalidate = off only what was lost counts', async () => {
    const { volume, cache } = cacheOnVolume({ invalidate: false });
    const { gfid } = volume.write('/a', 'old');
    await get(cache, '/a');
    volume.tell({ kind: 'changed', gfid });
    expect(await get(cache, '/a')).toBe('file old hit');
    volume.tell({ kind: 'lost' });
    expect(await get(cache, '/a')).toBe('file old revalidated');
  });

  test('what changes while it is read is not believed afterwards', async () => {
    const { volume, cache } = cacheOnVolume();
    volume.delayMs = 20;
    const { gfid } = volume.write('/a', 'old');
    const reading = get(cache, '/a');
    volume.tell({ kind: 'changed', gfid });
    expect(await reading).toBe('file old miss');
    expect(await get(cache, '/a')).toBe('file old revalidated');
    expect(await get(cache, '/a')).toBe('file old hit');
  });

  test('valid = 0 asks each time', async () => {
    const { volume, cache } = cacheOnVolume({ validMs: 0 });
    volume.write('/a', 'hello');
    expect(await get(cache, '/a')).toBe('file hello miss');
    expect(await get(cache, '/a')).toBe('file hello revalidated');
    expect(cache.peek(requestFor('/a'))).toBeNull();
  });
});

describe('what is not there', () => {
  test('is remembered for `negative`, and until the folder changes', async () => {
    const { volume, cache } = cacheOnVolume({ negativeMs: 1000 });
    expect(await get(cache, '/d/a')).toBe('not-found miss');
    expect(await get(cache, '/d/a')).toBe('not-found hit');
    volume.write('/d/a', 'new');
    volume.tell({ kind: 'changed', gfid: gfidOf('/d') });
    expect(await get(cache, '/d/a')).toBe('file new miss');
    volume.remove('/d/a');
    expect(await get(cache, '/d/b')).toBe('not-found miss');
    advance(1001);
    expect(await get(cache, '/d/b')).toBe('not-found miss');
  });

  test.each(['forbidden', 'not-regular', 'changed', 'down', 'timeout', 'io', 'busy'] as const)(
    'another failure is never remembered: %s',
    async (failure) => {
      const { volume, cache } = cacheOnVolume({ requestTimeoutMs: 0 });
      volume.failure = failure;
      expect(await get(cache, '/a')).toBe(`${failure} -`);
      volume.failure = null;
      volume.write('/a', 'there');
      expect(await get(cache, '/a')).toBe('file there miss');
    },
  );
});

describe('while the volume can not be asked', () => {
  test.each(['connecting', 'down', 'busy', 'timeout', 'io'] as const)(
    'a copy is served, and no longer than stale-if-error: %s',
    async (failure) => {
      const { volume, cache } = cacheOnVolume({
        validMs: 1000,
        staleIfErrorMs: 5000,
        requestTimeoutMs: 0,
      });
      volume.write('/a', 'copy');
      await get(cache, '/a');
      volume.failure = failure;
      advance(4000);
      expect(await get(cache, '/a')).toBe('file copy stale');
      expect(cache.stats().stale).toBe(1);
      const result = await open(cache, requestFor('/a'));
      expect(result.cache?.ttlMs).toBeLessThan(-2900);
      told(result);
      advance(5100);
      expect(await get(cache, '/a')).toBe(`${failure} -`);
      volume.failure = null;
      expect(await get(cache, '/a')).toBe('file copy revalidated');
    },
  );

  test.each(['forbidden', 'not-regular', 'changed'] as const)(
    'what is known of the file ends the copy: %s',
    async (failure) => {
      const { volume, cache } = cacheOnVolume({ validMs: 0 });
      volume.write('/a', 'copy');
      await get(cache, '/a');
      volume.failure = failure;
      expect(await get(cache, '/a')).toBe(`${failure} -`);
      volume.failure = 'down';
      expect(await get(cache, '/a')).toBe('down -');
    },
  );
});

describe('folders', () => {
  test('a folder without its slash is remembered; one that is listed is opened anew', async () => {
    const { volume, cache } = cacheOnVolume();
    volume.makeFolder('/d');
    expect(await get(cache, '/d')).toBe('directory  miss');
    expect(await get(cache, '/d')).toBe('directory  hit');
    expect(await get(cache, '/d', { listing: true })).toBe('directory  -');
    expect(await get(cache, '/e', { candidates: ['/e', '/d'], listing: true })).toBe(
      'directory  -',
    );
    expect(volume.lent).toBe(0);
  });
});

describe('the budget', () => {
  test('is kept, and what was used last stays', async () => {
    const { volume, memory, cache } = cacheOnVolume({}, MIB);
    for (let i = 0; i < 100; i++) {
      volume.write(`/${i}`, Buffer.alloc(50_000, String(i % 10)));
      await get(cache, `/${i}`);
      expect(await get(cache, '/0')).toMatch(/ hit$/);
      expect(memory.bytes).toBeLessThanOrEqual(MIB);
    }
    expect(await get(cache, '/99')).toMatch(/ hit$/);
    expect(await get(cache, '/1')).toMatch(/ miss$/);
    expect(memory.evictions).toBeGreaterThan(50);
  });

  test('what clients are being sent is not given up, and counts', async () => {
    const { volume, memory, cache } = cacheOnVolume({}, MIB);
    const held: OpenResult[] = [];
    for (let i = 0; i < 10; i++) {
      volume.write(`/${i}`, Buffer.alloc(200_000, 'x'));
      held.push(await open(cache, requestFor(`/${i}`)));
      expect(memory.bytes).toBeLessThanOrEqual(MIB);
    }
    expect(cache.stats().entries).toBeLessThan(10);
    for (const result of held) told(result);
    expect(volume.lent).toBe(0);
    expect(await get(cache, '/0')).toMatch(/ hit$/);
  });

  test('a name that ended can not bring back its bytes', async () => {
    const { volume, cache } = cacheOnVolume();
    volume.write('/a', 'old');
    const first = await open(cache, requestFor('/a'));
    const kept = first.ok ? (first.kept ?? null) : null;
    told(first);
    const hit = cache.peek(requestFor('/a'));
    if (!hit?.ok || !hit.kept) throw new Error('not kept');
    told(hit);
    expect(hit.kept.take(performance.now())).toBe(true);
    volume.write('/a', 'new');
    volume.tell({ kind: 'lost' });
    expect(hit.kept.take(performance.now())).toBe(false);
    await get(cache, '/a');
    expect(hit.kept.take(performance.now())).toBe(false);
    expect(() => hit.kept?.bytes).toThrow();
    expect(kept === null || kept === hit.kept).toBe(true);
  });
});

describe('large files', () => {
  const size = 5 * MIB + 1000;
  const body = Buffer.alloc(size);
  for (let i = 0; i < size; i += 4) body.writeUInt32LE(i, Math.min(i, size - 4));

  async function read(cache: CachedStorage, offset: number, length: number): Promise<void> {
    const opened = await open(cache, requestFor('/big', { from: offset }));
    if (!opened.ok || !opened.file) throw new Error('no file');
    const { file } = opened;
    opened.chunk?.release();
    for (let at = offset; at < offset + length; ) {
      const step = file.fit?.(at, Math.min(100_000, offset + length - at)) ?? 0;
      await new Promise<void>((resolve, reject) => {
        file.read(at, step, (result) => {
          if (!result.ok) {
            reject(new Error(result.code));
            return;
          }
          expect(body.subarray(at, at + step).equals(result.chunk.bytes)).toBe(true);
          result.chunk.release();
          resolve();
        });
      });
      at += step;
    }
    file.release();
  }

  test('one download leaves nothing behind; the parts that a second one wants are kept', async () => {
    const { volume, memory, cache } = cacheOnVolume();
    volume.write('/big', body);
    await read(cache, 0, size);
    expect(memory.blockBytes).toBe(0);
    await read(cache, MIB, 2 * MIB);
    const kept = memory.blockBytes;
    expect(kept).toBeGreaterThan(2 * MIB);
    expect(kept).toBeLessThan(3 * MIB);
    const before = volume.reads.length;
    await read(cache, MIB + 5, MIB);
    expect(volume.reads).toHaveLength(before);
    expect(volume.opens).toHaveLength(1);
  });

  test('parts take half of the budget at most, and files are not pushed out by them', async () => {
    const { volume, memory, cache } = cacheOnVolume({}, 4 * MIB);
    volume.write('/small', 'small');
    volume.write('/big', body);
    for (let i = 0; i < 3; i++) await read(cache, 0, size);
    expect(memory.blockBytes).toBeLessThanOrEqual(2 * MIB);
    expect(memory.blockBytes).toBeGreaterThan(MIB);
    await get(cache, '/small');
    for (let i = 0; i < 3; i++) await read(cache, 0, size);
    expect(await get(cache, '/small')).toMatch(/ hit$/);
  });

  test('a new version has none of the old one', async () => {
    const { volume, memory, cache } = cacheOnVolume();
    volume.write('/big', body);
    await read(cache, 0, size);
    await read(cache, 0, size);
    expect(memory.blockBytes).toBeGreaterThan(size);
    volume.write('/big', Buffer.alloc(size, 'n'));
    volume.tell({ kind: 'lost' });
    const opened = await open(cache, requestFor('/big'));
    expect(memory.blockBytes).toBe(0);
    told(opened);
  });

  test('many who want one part at once read it once', async () => {
    const { volume, cache } = cacheOnVolume();
    volume.write('/big', body);
    await read(cache, MIB, MIB / 4);
    volume.delayMs = 5;
    const before = volume.reads.length;
    await Promise.all(Array.from({ length: 20 }, () => read(cache, MIB, 1000)));
    expect(volume.reads.slice(before)).toEqual([[MIB, 256 * 1024]]);
  });

  test('a failed read fails those who wanted it', async () => {
    const { volume, cache } = cacheOnVolume();
    volume.write('/big', body);
    await read(cache, 0, 1000);
    volume.failure = 'io';
    await expect(read(cache, 0, 1000)).rejects.toThrow('io');
    volume.failure = null;
    await read(cache, 0, 1000);
  });
});
