/** Where the cache's bodies lie: what is there stays what it is, whatever comes, goes and is moved around it. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Arena, Tenant } from '../../src/storage/cache/arena.js';
import { Epoch } from '../../src/storage/cache/epoch.js';
import { Large } from '../../src/storage/cache/large.js';
import type { Chunk } from '../../src/storage/storage.js';
import { cacheOnVolume, MIB, open, requestFor, told } from '../support/fake_cache.js';

class Body extends Tenant {
  /** Views that somebody keeps, as whoever is sent it does. */
  readonly views: Uint8Array[] = [];

  constructor(
    readonly pattern: number,
    readonly length: number,
  ) {
    super(length);
  }

  override evicted(): void {}
}

const isAll = (bytes: Uint8Array, pattern: number): boolean =>
  Buffer.alloc(bytes.length, pattern).equals(bytes);

function put(arena: Arena, length: number, pattern: number): Body | null {
  const body = new Body(pattern, length);
  if (!arena.admit(body, length)) return null;
  body.bytes.fill(pattern);
  return body;
}

/** What is wrong with one; '' where nothing is. */
function fault(body: Body): string {
  const there = body.hasEnded && !body.isInUse ? 0 : body.length;
  if (body.bytes.length !== there) return `${body.bytes.length} bytes instead of ${there}`;
  if (!isAll(body.bytes, body.pattern)) return 'other bytes';
  // What has been lent stays where it is.
  return body.views.every((view) => isAll(view, body.pattern)) ? '' : 'other bytes for a reader';
}

type Step = readonly ['admit' | 'end' | 'hold' | 'release', number];

const steps = fc.array(
  fc.tuple(
    fc.constantFrom('admit' as const, 'admit' as const, 'end' as const, 'hold', 'release'),
    fc.nat(1_000_000),
  ),
  { minLength: 50, maxLength: 200 },
) as fc.Arbitrary<Step[]>;

describe('an arena', () => {
  test('gives nobody the bytes of another, in any order of events', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 40 }), (all, scale) => {
        const budget = MIB;
        const arena = new Arena(budget, new Epoch());
        const bodies: Body[] = [];
        let pattern = 0;
        let live = 0;
        for (const [what, number] of all) {
          const body = bodies[number % Math.max(1, bodies.length)];
          if (what === 'admit') {
            const length = 1 + (number % (1000 * scale));
            pattern = (pattern + 1) % 256;
            // Within its budget, as the cache sees to.
            const given = live + length > budget ? null : put(arena, length, pattern);
            if (given) bodies.push(given);
          } else if (body && what === 'end') {
            body.end();
          } else if (body && what === 'hold' && !body.hasEnded) {
            body.hold();
            body.views.push(body.bytes);
          } else if (body && what === 'release' && body.views.length > 0) {
            body.views.pop();
            body.release();
          }
          live = 0;
          for (const each of bodies) live += each.bytes.length;
          const wrong = bodies.map(fault).filter((text) => text !== '');
          if (wrong.length > 0) throw new Error(wrong.join(', '));
        }
        for (const body of bodies) {
          for (const _ of body.views) body.release();
          body.end();
        }
        expect(arena.live).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  test('is never much larger than what is in it, and what comes finds room', () => {
    const budget = 16 * MIB;
    const arena = new Arena(budget, new Epoch());
    const bodies: Body[] = [];
    let bytes = 0;
    let seed = 1;
    const next = (below: number): number => {
      seed = (seed * 48_271) % 0x7fffffff;
      return seed % below;
    };
    let most = 0;
    for (let turn = 0; turn < 30_000; turn++) {
      const length = 100 + (turn % 20 === 0 ? next(60_000) : next(3_000));
      while (bytes + length > 14 * MIB) {
        const at = next(bodies.length);
        const body = bodies[at];
        const last = bodies.pop();
        if (!body || !last) break;
        if (last !== body) bodies[at] = last;
        bytes -= body.length;
        body.end();
      }
      const body = put(arena, length, turn % 256);
      if (!body) throw new Error('no room');
      bodies.push(body);
      bytes += length;
      if (bytes > 13 * MIB) most = Math.max(most, arena.size / arena.live);
    }
    expect(bodies.filter((body) => fault(body) !== '')).toEqual([]);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThan(1.3);
    expect(arena.moved).toBeGreaterThan(MIB);
  });

  test('what is being sent is not moved, takes no more room, and what does not fit is refused', () => {
    const arena = new Arena(MIB, new Epoch());
    const held: Body[] = [];
    // One in each region is being sent for ever.
    for (let turn = 0; turn < 20_000; turn++) {
      const body = put(arena, 1000, turn % 256);
      if (!body) break;
      if (turn % 50 === 0) {
        body.hold();
        body.views.push(body.bytes);
        held.push(body);
      }
      body.end();
    }
    expect(held.length).toBeGreaterThan(10);
    expect(held.length).toBeLessThan(100);
    expect(arena.size).toBeLessThan(1.6 * MIB);
    expect(held.map(fault).filter((text) => text !== '')).toEqual([]);
    for (const body of held) body.release();
    expect(arena.live).toBe(0);
    expect(put(arena, 1000, 7)).not.toBeNull();
  });

  test('one that was released more often than it was held is a bug', () => {
    const body = put(new Arena(MIB, new Epoch()), 10, 1);
    body?.hold();
    body?.release();
    expect(() => body?.release()).toThrow('more often');
  });
});

/** Of files that say in each byte which version of which they are. */
const contentOf = (file: number, version: number): Buffer =>
  Buffer.alloc(500 + ((file * 977) % 9_000), (file * 31 + version * 7) % 256);

describe('the cache', () => {
  test('what is lent stays what it was until it is given back, whatever becomes of the file', async () => {
    const { volume, cache, memory } = cacheOnVolume({}, MIB);
    const versions = new Map<number, number>();
    interface Lent {
      readonly file: number;
      readonly chunk: Chunk;
      readonly was: Buffer;
      readonly bytes: Uint8Array;
    }
    const lent: Lent[] = [];
    let seed = 7;
    const next = (below: number): number => {
      seed = (seed * 48_271) % 0x7fffffff;
      return seed % below;
    };
    for (let file = 0; file < 400; file++) volume.write(`/${file}`, contentOf(file, 0));
    let served = 0;
    for (let turn = 0; turn < 1_500; turn++) {
      const changes = next(30) === 0;
      const sent = changes ? lent[next(lent.length * 2 + 1)] : undefined;
      const file = sent?.file ?? next(20) ** 2 + next(20);
      const version = versions.get(file) ?? 0;
      if (changes) {
        versions.set(file, version + 1);
        const { gfid } = volume.write(`/${file}`, contentOf(file, version + 1), true);
        volume.tell({ kind: 'changed', gfid });
        told(await open(cache, requestFor(`/${file}`)));
        continue;
      }
      const request = requestFor(`/${file}`);
      const result = cache.peek(request) ?? (await open(cache, request));
      if (!result.ok || !result.chunk) throw new Error('no file');
      const was = contentOf(file, version);
      expect(was.equals(result.chunk.bytes)).toBe(true);
      served += 1;
      if (next(4) === 0 && lent.length < 60) {
        lent.push({ file, chunk: result.chunk, was, bytes: result.chunk.bytes });
      } else {
        result.chunk.release();
      }
      const given = next(3) === 0 ? lent.splice(next(lent.length + 1), 1)[0] : undefined;
      if (given) {
        expect(given.was.equals(given.bytes)).toBe(true);
        expect(given.was.equals(given.chunk.bytes)).toBe(true);
        given.chunk.release();
      }
    }
    expect(served).toBeGreaterThan(1_000);
    expect(memory.evictions).toBeGreaterThan(100);
    expect(memory.bytes).toBeLessThanOrEqual(MIB);
    expect(memory.arenaBytes).toBeLessThan(1.5 * MIB);
    for (const { chunk, was, bytes } of lent) {
      expect(was.equals(bytes)).toBe(true);
      chunk.release();
    }
  });

  test('parts of a large file that is given up stay what they were for who is being sent them', async () => {
    // So large that a part fits into a region.
    const { memory } = cacheOnVolume({}, 64 * MIB);
    const size = 3 * MIB;
    const whole = Buffer.alloc(size);
    for (let at = 0; at < size; at += 4) whole.writeUInt32LE(at, at);
    const stat = {
      type: 'file',
      size,
      mtimeSeconds: 1,
      mtimeNanoseconds: 0,
      ctimeSeconds: 1,
      ctimeNanoseconds: 0,
      gfid: 'a'.repeat(32),
    } as const;
    const file = {
      read: (offset: number, length: number, done: (result: { ok: true; chunk: Chunk }) => void) =>
        setImmediate(() =>
          done({
            ok: true,
            chunk: { bytes: whole.subarray(offset, offset + length), release: () => undefined },
          }),
        ),
      release: () => undefined,
    };
    const large = new Large({ stat, memory, open: () => () => undefined, keepsFromMs: 0 }, file);
    large.hold();
    const readers = [large.reader(), large.reader(), large.reader()];
    const read = (reader: number, offset: number): Promise<Chunk> =>
      new Promise((resolve, reject) => {
        readers[reader]?.read(offset, 100_000, (result) => {
          if (result.ok) resolve(result.chunk);
          else reject(new Error(result.code));
        });
      });
    const lent: { readonly chunk: Chunk; readonly at: number }[] = [];
    for (let at = 0; at + 100_000 < size; at += 262_144) {
      (await read(0, at)).release();
      (await read(1, at)).release();
      lent.push({ chunk: await read(2, at), at });
    }
    expect(memory.blockBytes).toBeGreaterThan(MIB);
    large.drop();
    expect(memory.blockBytes).toBe(0);
    // Others take the room that has been given back, and none of that which has not.
    for (let turn = 0; turn < 80; turn++) {
      const body = new Body(0xee, 400_000);
      if (memory.houseObject(body, body.length, performance.now())) body.bytes.fill(0xee);
    }
    expect(memory.arenaBytes).toBeGreaterThan(16 * MIB);
    for (const { chunk, at } of lent) {
      expect(whole.subarray(at, at + 100_000).equals(chunk.bytes)).toBe(true);
      chunk.release();
    }
    for (const reader of readers) reader.release();
  });
});
