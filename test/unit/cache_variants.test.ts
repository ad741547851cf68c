/** Compressed forms of what the cache keeps: made once, counted, given up with the file. */

import { randomBytes } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import type { CachedStorage } from '../../src/storage/cache/cached_storage.js';
import type { Compressor } from '../../src/storage/cache/compressor.js';
import { Item } from '../../src/storage/cache/lru.js';
import type { CacheOptions } from '../../src/storage/cache/options.js';
import type { Compression, Kept, KeptFile, Opened, OpenResult } from '../../src/storage/storage.js';
import { cacheOnVolume, MIB, requestFor } from '../support/fake_cache.js';

const TEXT = Buffer.from('all work and no play makes jack a dull boy\n'.repeat(1000));

/** With time for the compressor. */
const setUp = (changes: Partial<CacheOptions> = {}, budget?: number, most?: number) =>
  cacheOnVolume({ maxObjectBytes: 4 * MIB, requestTimeoutMs: 10_000, ...changes }, budget, most);

async function open(cache: CachedStorage, path: string): Promise<Opened & { kept: KeptFile }> {
  const result = await new Promise<OpenResult>((resolve) => {
    cache.open(requestFor(path), resolve);
  });
  if (!result.ok || !result.kept) throw new Error('not kept');
  return { ...result, kept: result.kept };
}

/** What is kept under a name, with nothing lent. */
async function keep(cache: CachedStorage, path: string): Promise<KeptFile> {
  const { kept, chunk } = await open(cache, path);
  chunk?.release();
  return kept;
}

/** The variant with its bytes lent, as whoever sends it has it. */
function compress(kept: KeptFile, encoding: Compression, waitedMs = 0) {
  return new Promise<{ variant: Kept; bytes: Uint8Array; release: () => void } | null>(
    (resolve) => {
      kept.compress(encoding, waitedMs, (variant) => {
        const chunk = variant?.lend();
        if (variant && chunk) {
          resolve({ variant, bytes: chunk.bytes, release: () => chunk.release() });
        } else {
          resolve(null);
        }
      });
    },
  );
}

/** Takes room, as another file would. */
class Filler extends Item {
  override evicted(): void {}
}

const never = (): void => {
  throw new Error('called after a cancel');
};
async function settled(compressor: Compressor): Promise<void> {
  do await new Promise((resolve) => setTimeout(resolve, 1));
  while (compressor.pending > 0);
}

const unpack = { br: brotliDecompressSync, gzip: gunzipSync } as const;

describe('a variant', () => {
  test.each(['br', 'gzip'] as const)('is made once, and then there: %s', async (encoding) => {
    const { volume, compressor, cache } = setUp();
    const stat = volume.write('/a', TEXT);
    const kept = await keep(cache, '/a');
    expect(kept.variant(encoding)).toBe('untried');
    const made = await compress(kept, encoding);
    expect(made && unpack[encoding](made.bytes).equals(TEXT)).toBe(true);
    made?.release();
    const found = kept.variant(encoding);
    if (typeof found === 'string') throw new Error(found);
    expect([found.stat, found.bytes.length]).toEqual([stat, made?.bytes.length]);
    expect(found.take(performance.now())).toBe(true);
    expect(found.ttlMs(performance.now())).toBeGreaterThan(50_000);
    const again = await compress(kept, encoding);
    expect(again?.bytes).toBe(found.bytes);
    again?.release();
    expect(compressor.made).toBe(1);
  });

  test('is what the file is, whatever that is', async () => {
    const { volume, cache } = setUp();
    const piece = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.constant(TEXT.subarray(0, 5000)));
    let number = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { minLength: 1, maxLength: 20 }),
        fc.constantFrom('br', 'gzip'),
        async (pieces, encoding: Compression) => {
          const body = Buffer.concat(pieces);
          if (body.length === 0) return;
          number += 1;
          volume.write(`/${number}`, body);
          const made = await compress(await keep(cache, `/${number}`), encoding);
          if (!made) return;
          expect(made.bytes.length).toBeLessThanOrEqual(body.length * 0.95);
          expect(unpack[encoding](made.bytes).equals(body)).toBe(true);
          made.release();
        },
      ),
      { numRuns: 100 },
    );
  });

  test('is found by who asks for the stat only', async () => {
    const { volume, cache } = setUp();
    volume.write('/a', TEXT);
    (await compress(await keep(cache, '/a'), 'br'))?.release();
    const known = cache.peek(requestFor('/a', { body: false }));
    expect(known?.ok && typeof known.kept?.variant('br')).toBe('object');
    expect(known?.ok && known.chunk).toBeNull();
    expect(known?.ok && known.kept?.variant('gzip')).toBe('untried');
  });

  test('that would hardly be smaller is tried once', async () => {
    const { volume, memory, compressor, cache } = setUp();
    volume.write('/a', randomBytes(100_000));
    const kept = await keep(cache, '/a');
    const before = memory.bytes;
    expect(await compress(kept, 'br')).toBeNull();
    expect(kept.variant('br')).toBe('none');
    expect(kept.variant('gzip')).toBe('untried');
    expect(await compress(kept, 'br')).toBeNull();
    expect([compressor.made, memory.bytes]).toEqual([1, before]);
  });
});

describe('one for all', () => {
  test('who want the same at once', async () => {
    const { volume, compressor, cache } = setUp();
    volume.write('/a', TEXT);
    volume.write('/b', TEXT);
    const kept = await keep(cache, '/a');
    const all = await Promise.all(Array.from({ length: 100 }, () => compress(kept, 'br')));
    expect(new Set(all.map((made) => made?.bytes)).size).toBe(1);
    for (const made of all) made?.release();
    const other = await Promise.all([
      compress(kept, 'gzip'),
      compress(await keep(cache, '/b'), 'br'),
    ]);
    for (const made of other) made?.release();
    expect(compressor.made).toBe(3);
  });

  test('who leaves does not take the others along', async () => {
    const { volume, memory, compressor, cache } = setUp();
    volume.write('/a', TEXT);
    const kept = await keep(cache, '/a');
    const cancel = kept.compress('br', 0, never);
    const other = compress(kept, 'br');
    cancel();
    cancel();
    (await other)?.release();
    // What has begun is kept although nobody waits for it any more; what has not is taken back.
    kept.compress('gzip', 0, never)();
    await settled(compressor);
    expect(typeof kept.variant('gzip')).toBe('object');
    expect(memory.holdObject(new Filler(memory.budget), performance.now())).toBe(true);
  });

  test('those that wait are bounded: the rest is told so at once', async () => {
    const { volume, compressor, cache } = setUp({}, 16 * MIB, 3);
    for (let i = 0; i < 8; i++) volume.write(`/${i}`, TEXT);
    const kepts = await Promise.all(Array.from({ length: 8 }, (_, i) => keep(cache, `/${i}`)));
    const all = await Promise.all(kepts.map((kept) => compress(kept, 'br')));
    expect(all.map((made) => made !== null)).toEqual([...Array(5).fill(true), false, false, false]);
    for (const made of all) made?.release();
    expect([compressor.made, compressor.refused, compressor.pending]).toEqual([5, 3, 0]);
    const [, , , , , , , last] = kepts;
    expect(last?.variant('br')).toBe('untried');
    const late = last && (await compress(last, 'br'));
    expect(late).not.toBeNull();
  });

  test('what waits is taken back when nobody wants it any more', async () => {
    const { volume, memory, compressor, cache } = setUp({}, 16 * MIB, 1);
    for (let i = 0; i < 4; i++) volume.write(`/${i}`, Buffer.concat(Array(20).fill(TEXT)));
    const kepts = await Promise.all(Array.from({ length: 4 }, (_, i) => keep(cache, `/${i}`)));
    const [first, second, third, fourth] = kepts;
    if (!first || !second || !third || !fourth) throw new Error('not kept');
    const running = [compress(first, 'br'), compress(second, 'br')];
    const cancels = [third.compress('br', 0, never), third.compress('br', 0, never)];
    for (const cancel of cancels) cancel();
    // Its place is free.
    const instead = compress(fourth, 'br');
    for (const made of await Promise.all([...running, instead])) made?.release();
    await settled(compressor);
    expect([compressor.made, compressor.refused]).toEqual([3, 0]);
    expect(third.variant('br')).toBe('untried');
    expect(memory.holdObject(new Filler(memory.budget), performance.now())).toBe(true);
  });

  test('nobody waits longer than the deadline', async () => {
    const { volume, compressor, cache } = setUp({ requestTimeoutMs: 100 });
    volume.write('/a', randomBytes(MIB).toString('hex'));
    const kept = await keep(cache, '/a');
    const patient = compress(kept, 'br', -60_000);
    expect(await compress(kept, 'br', 100)).toBeNull();
    expect(await compress(kept, 'gzip', 200)).toBeNull();
    (await patient)?.release();
    await settled(compressor);
    expect(typeof kept.variant('br')).toBe('object');
  });
});

describe('memory', () => {
  test('it counts, and is given up before its file or with it', async () => {
    const { volume, memory, cache } = setUp({}, MIB);
    volume.write('/a', TEXT);
    const kept = await keep(cache, '/a');
    const before = memory.bytes;
    const made = await compress(kept, 'gzip');
    const length = made?.bytes.length ?? 0;
    expect(memory.bytes - before).toBeGreaterThan(length);
    expect(memory.bytes - before).toBeLessThan(length + 2000);
    // While it is sent, neither can go.
    expect(memory.holdObject(new Filler(MIB), performance.now())).toBe(false);
    expect(typeof kept.variant('gzip')).toBe('object');
    made?.release();
    const found = kept.variant('gzip');
    if (typeof found === 'string') throw new Error(found);
    found.take(performance.now());
    const left = MIB - memory.bytes;
    const filler = new Filler(left + 1);
    expect(memory.holdObject(filler, performance.now())).toBe(true);
    expect(kept.variant('gzip')).toBe('untried');
    expect(found.take(performance.now())).toBe(false);
    expect(found.bytes).toHaveLength(0);
    expect(kept.take(performance.now())).toBe(true);
    memory.dropObject(filler);
    (await compress(kept, 'gzip'))?.release();
    expect(memory.holdObject(new Filler(MIB), performance.now())).toBe(true);
    expect(memory.bytes).toBe(MIB);
    expect([kept.take(performance.now()), kept.variant('gzip')]).toEqual([false, 'none']);
  });

  test.each(['replaced', 'removed'])('the file changes: %s', async (how) => {
    const { volume, memory, cache } = setUp();
    volume.write('/a', TEXT);
    const kept = await keep(cache, '/a');
    (await compress(kept, 'br'))?.release();
    const old = kept.variant('br');
    if (how === 'replaced') volume.write('/a', Buffer.from('new '.repeat(1000)));
    else volume.remove('/a');
    volume.tell({ kind: 'lost' });
    if (typeof old === 'string') throw new Error(old);
    expect(old.take(performance.now())).toBe(false);
    if (how === 'replaced') {
      const renewed = await keep(cache, '/a');
      expect(renewed.variant('br')).toBe('untried');
      const made = await compress(renewed, 'br');
      expect(made && brotliDecompressSync(made.bytes).toString()).toBe('new '.repeat(1000));
      made?.release();
    } else {
      await expect(open(cache, '/a')).rejects.toThrow();
      expect(memory.bytes).toBeLessThan(2000);
    }
    expect(old.bytes).toHaveLength(0);
  });

  test('a file that is only looked at again keeps them', async () => {
    const { volume, compressor, cache } = setUp();
    volume.write('/a', TEXT);
    (await compress(await keep(cache, '/a'), 'br'))?.release();
    volume.tell({ kind: 'lost' });
    const { kept, chunk, cache: note } = await open(cache, '/a');
    chunk?.release();
    expect(note?.outcome).toBe('revalidated');
    const found = kept.variant('br');
    expect(typeof found === 'object' && found.take(performance.now())).toBe(true);
    expect(compressor.made).toBe(1);
  });

  test('a file that is given up while it is compressed: who waits gets it, and nothing is kept', async () => {
    const { volume, memory, compressor, cache } = setUp();
    volume.write('/a', TEXT);
    const kept = await keep(cache, '/a');
    const making = compress(kept, 'br');
    volume.remove('/a');
    volume.tell({ kind: 'lost' });
    await expect(open(cache, '/a')).rejects.toThrow();
    const made = await making;
    expect(made && brotliDecompressSync(made.bytes).equals(TEXT)).toBe(true);
    expect(made?.variant.take(performance.now())).toBe(false);
    made?.release();
    await settled(compressor);
    expect(made?.variant.bytes).toHaveLength(0);
    expect(memory.bytes).toBeLessThan(2000);
  });

  test('no room for it: it is sent, and not made again at once', async () => {
    const { volume, memory, compressor, cache } = setUp({}, 120_000);
    volume.write('/a', Buffer.from(randomBytes(40_000).toString('hex')));
    const { kept, chunk } = await open(cache, '/a');
    const made = await compress(kept, 'br');
    expect(made?.bytes.length).toBeGreaterThan(39_000);
    made?.release();
    expect(made?.variant.take(performance.now())).toBe(false);
    expect(kept.variant('br')).toBe('untried');
    expect(await compress(kept, 'br')).toBeNull();
    expect(compressor.made).toBe(1);
    const now = performance.now.bind(performance);
    jest.spyOn(performance, 'now').mockImplementation(() => now() + 10_001);
    (await compress(kept, 'br'))?.release();
    jest.restoreAllMocks();
    expect(compressor.made).toBe(2);
    chunk?.release();
    expect(memory.bytes).toBeLessThanOrEqual(120_000);
  });

  test('who still knows one that ended keeps neither its bytes nor the file', async () => {
    setFlagsFromString('--expose-gc');
    const collect: unknown = runInNewContext('gc');
    if (typeof collect !== 'function') throw new Error('no gc');
    const { volume, cache } = setUp();
    volume.write('/a', TEXT);
    const known = async () => {
      const kept = await keep(cache, '/a');
      (await compress(kept, 'br'))?.release();
      return { variant: kept.variant('br'), body: new WeakRef(kept.bytes) };
    };
    const { variant, body } = await known();
    await new Promise((resolve) => setTimeout(resolve, 1));
    collect();
    expect(body.deref()).toBeDefined();
    volume.remove('/a');
    volume.tell({ kind: 'lost' });
    await expect(open(cache, '/a')).rejects.toThrow();
    for (let i = 0; i < 50 && body.deref(); i++) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      collect();
    }
    expect(body.deref()).toBeUndefined();
    expect(typeof variant === 'object' && variant.bytes.length).toBe(0);
  });

  test('a file under two names has one', async () => {
    const { volume, compressor, cache } = setUp();
    volume.write('/a', TEXT);
    const first = await keep(cache, '/a');
    (await compress(first, 'br'))?.release();
    const other = await new Promise<OpenResult>((resolve) => {
      cache.open(requestFor('/x', { candidates: ['/x', '/a'] }), resolve);
    });
    if (!other.ok || !other.kept) throw new Error('not kept');
    other.chunk?.release();
    expect(typeof other.kept.variant('br')).toBe('object');
    expect(compressor.made).toBe(1);
  });
});
