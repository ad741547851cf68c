/** Files that were read so soon after a change that parts of it may still have been missing. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { CachedStorage } from '../../src/storage/cache/cached_storage.js';
import { cacheOnVolume, get, MIB, open, requestFor } from '../support/fake_cache.js';
import type { FakeVolume } from '../support/fake_volume.js';

const realNow = performance.now.bind(performance);
const realDate = Date.now.bind(Date);
let ahead = 0;

/** Both clocks. */
function advance(ms: number): void {
  ahead += ms;
}

beforeEach(() => {
  ahead = 0;
  jest.spyOn(performance, 'now').mockImplementation(() => realNow() + ahead);
  jest.spyOn(Date, 'now').mockImplementation(() => realDate() + ahead);
});

afterEach(() => {
  jest.restoreAllMocks();
});

type World = ReturnType<typeof cacheOnVolume>;

const nowSeconds = (): number => Date.now() / 1000;
const wasKnown = ({ opens }: FakeVolume): boolean => (opens.at(-1)?.known ?? null) !== null;

/** A file that is on the way from one content to another, and how much of it is in the cache's answers. */
const KINDS = [
  ['that comes with the look', 1000],
  ['that is read by and by', 700 * 1024],
] as const;

/** Its content but for the first piece, which is still the former one's. */
const MIXED = (size: number): Buffer => Buffer.from(`old${'n'.repeat(size - 3)}`);
const NEW = (size: number): Buffer => Buffer.from(`new${'n'.repeat(size - 3)}`);

/** A cache in front of a volume whose file `/a` was last changed so long ago, and is looked at again each second. */
function young(size: number, agoSeconds = 0, content = MIXED(size)) {
  const world = cacheOnVolume({ validMs: 1_000 });
  world.volume.changedSeconds = nowSeconds() - agoSeconds;
  world.volume.write('/a', content);
  return world;
}

const first = async (cache: CachedStorage): Promise<string> => {
  const [, text = '', outcome] = (await get(cache, '/a')).split(' ');
  return `${text.slice(0, 4)} ${outcome}`;
};

describe.each(KINDS)('a file %s', (_, size) => {
  test('is read again as long as its last change is young, then once more, and from then on known', async () => {
    const { volume, cache } = young(size);
    expect(await first(cache)).toBe('oldn miss');
    volume.storeLate('/a', NEW(size));
    expect(await first(cache)).toBe('oldn hit');
    advance(1_001);
    expect(await first(cache)).toBe('newn miss');
    for (let i = 0; i < 10; i++) {
      advance(1_001);
      expect(await first(cache)).toBe('newn revalidated');
      expect(wasKnown(volume)).toBe(false);
      expect(await first(cache)).toBe('newn hit');
    }
    advance(1_001);
    expect(await first(cache)).toBe('newn revalidated');
    advance(1_001);
    expect(await first(cache)).toBe('newn revalidated');
    expect(wasKnown(volume)).toBe(true);
    expect(volume.lent).toBe(0);
  });

  test('is asked for when it has settled, however long it would be valid', async () => {
    const { volume, cache } = cacheOnVolume();
    volume.changedSeconds = nowSeconds() - 3;
    volume.write('/a', MIXED(size));
    await first(cache);
    volume.storeLate('/a', NEW(size));
    advance(6_000);
    expect(await first(cache)).toBe('oldn hit');
    advance(1_100);
    expect(await first(cache)).toBe('newn miss');
    // It was not what it had been: whatever made it so may do so again.
    advance(9_000);
    expect(await first(cache)).toBe('newn hit');
    advance(1_100);
    expect(await first(cache)).toBe('newn revalidated');
    advance(59_000);
    expect(await first(cache)).toBe('newn hit');
  });

  test('is read again at once when the volume says that it has changed', async () => {
    const { volume, cache } = cacheOnVolume();
    volume.changedSeconds = nowSeconds();
    const { gfid } = volume.write('/a', MIXED(size));
    await first(cache);
    volume.storeLate('/a', NEW(size));
    volume.tell({ kind: 'changed', gfid });
    expect(await first(cache)).toBe('newn miss');
  });

  test('is read again where it was seen to change, by a client whose clock is slow', async () => {
    const { volume, cache } = cacheOnVolume({ validMs: 1_000 });
    volume.write('/a', 'x'.repeat(size));
    await first(cache);
    advance(1_001);
    volume.write('/a', MIXED(size), true);
    expect(await first(cache)).toBe('oldn miss');
    volume.storeLate('/a', NEW(size));
    advance(1_001);
    expect(await first(cache)).toBe('newn miss');
  });

  test('of the future is one of a client whose clock is fast: it settles all the same', async () => {
    const { volume, cache } = young(size, -1_000_000, NEW(size));
    await first(cache);
    advance(10_001);
    expect(await first(cache)).toBe('newn revalidated');
    expect(wasKnown(volume)).toBe(false);
    advance(1_001);
    expect(await first(cache)).toBe('newn revalidated');
    expect(wasKnown(volume)).toBe(true);
  });

  test('is read again also for who only wants its stat, and kept', async () => {
    const { volume, cache } = young(size);
    await first(cache);
    volume.storeLate('/a', NEW(size));
    advance(1_001);
    await open(cache, requestFor('/a', { body: false }));
    expect(await first(cache)).toBe('newn hit');
    expect(volume.lent).toBe(0);
    volume.failure = 'down';
    advance(1_001);
    expect(await first(cache)).toBe('newn stale');
  });

  test('is read again where who saw it change wanted its stat only', async () => {
    const { volume, cache } = cacheOnVolume({ validMs: 1_000 });
    volume.write('/a', 'x'.repeat(size));
    await open(cache, requestFor('/a', { body: false }));
    advance(1_001);
    volume.write('/a', MIXED(size), true);
    await open(cache, requestFor('/a', { body: false }));
    expect(await first(cache)).toBe('oldn miss');
    volume.storeLate('/a', NEW(size));
    advance(1_001);
    expect(await first(cache)).toBe('newn miss');
  });

  test.each([
    ['was missing', ({ cache }: World) => first(cache)],
    [
      'was another one',
      async ({ volume, cache }: World) => {
        volume.write('/a', 'x'.repeat(size));
        await first(cache);
      },
    ],
  ])('is read again where it %s before, by a client whose clock is slow', async (_what, before) => {
    const world = cacheOnVolume({ validMs: 1_000, negativeMs: 1_000 });
    const { volume, cache } = world;
    await before(world);
    advance(1_001);
    volume.write('/a', MIXED(size));
    expect(await first(cache)).toBe('oldn miss');
    volume.storeLate('/a', NEW(size));
    advance(1_001);
    expect(await first(cache)).toBe('newn miss');
  });

  test('that changes while the look is under way is doubted from its end on', async () => {
    const { volume, cache } = cacheOnVolume({ validMs: 1_000 });
    volume.delayMs = 20;
    volume.changedSeconds = nowSeconds() + 8;
    volume.write('/a', MIXED(size));
    const slow = first(cache);
    advance(8_000);
    expect(await slow).toBe('oldn miss');
    advance(9_000);
    expect(await first(cache)).toBe('oldn revalidated');
    volume.storeLate('/a', NEW(size));
    advance(1_001);
    expect(await first(cache)).toBe('newn miss');
  });

  test('whose change is old is known at the next look', async () => {
    const { volume, cache } = young(size, 10.5, NEW(size));
    await first(cache);
    advance(1_001);
    expect(await first(cache)).toBe('newn revalidated');
    expect(wasKnown(volume)).toBe(true);
  });
});

test('of one that is kept in parts none is kept before it has settled', async () => {
  const { volume, cache } = cacheOnVolume({ maxObjectBytes: 100_000 });
  volume.changedSeconds = nowSeconds();
  const size = 2 * MIB;
  volume.write('/a', MIXED(size));
  const read = async (): Promise<string> => {
    const result = await open(cache, requestFor('/a'));
    if (!result.ok || result.file === null) throw new Error('no file');
    result.chunk?.release();
    const { file } = result;
    const text = await new Promise<string>((resolve, reject) => {
      file.read(0, 1_000, (part) => {
        if (!part.ok) {
          reject(new Error(part.code));
          return;
        }
        resolve(Buffer.from(part.chunk.bytes).toString('latin1', 0, 4));
        part.chunk.release();
      });
    });
    file.release();
    return text;
  };
  for (let i = 0; i < 4; i++) expect(await read()).toBe('oldn');
  const before = volume.reads.length;
  expect(before).toBeGreaterThanOrEqual(4);
  advance(10_001);
  for (let i = 0; i < 4; i++) await read();
  expect(volume.reads.length - before).toBeLessThan(4);
});

test('who only wants the stat gets it, however often the file changes while it is read', async () => {
  const size = 700 * 1024;
  const { volume, cache } = young(size);
  await first(cache);
  advance(1_001);
  volume.readFailure = 'changed';
  const result = await open(cache, requestFor('/a', { body: false }));
  expect(result).toMatchObject({ ok: true, stat: { size } });
  expect(await open(cache, requestFor('/a'))).toMatchObject({ ok: false, code: 'changed' });
  // The reads that were under way beside the one that failed.
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(volume.lent).toBe(0);
});

test('what another look has proved is not replaced by what was read before', async () => {
  const size = 700 * 1024;
  const { volume, cache } = young(size, 9);
  volume.delayMs = 40;
  // Under another name of the same file, which begins while it is young and ends last.
  const early = open(cache, requestFor('/a', { candidates: ['/none', '/a'] }));
  await new Promise((resolve) => setTimeout(resolve, 60));
  volume.storeLate('/a', NEW(size));
  advance(1_500);
  volume.delayMs = 1;
  expect(await first(cache)).toBe('newn miss');
  const result = await early;
  if (!result.ok || !result.chunk) throw new Error('no body');
  expect(Buffer.from(result.chunk.bytes).toString('latin1', 0, 4)).toBe('newn');
  result.chunk.release();
  expect(await first(cache)).toBe('newn hit');
});
