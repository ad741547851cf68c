/** Whatever else goes on: who is told of a version gets that version's bytes, until all have been given back. */

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import type { CachedStorage } from '../../src/storage/cache/cached_storage.js';
import type { Chunk, Opened, OpenFile, OpenResult, ReadResult } from '../../src/storage/storage.js';
import { Random } from '../soak/random.js';
import { cacheOnVolume, MIB, requestFor } from '../support/fake_cache.js';
import type { FakeVolume } from '../support/fake_volume.js';

const KIB = 1024;
/** Kept whole after one read, kept whole after several, and in parts. */
const SIZES = [100, 60 * KIB, 256 * KIB, 257 * KIB, 1024 * KIB, 2048 * KIB, 2049 * KIB, 3 * MIB];
const PATHS = Array.from({ length: 24 }, (_, index) => `/file-${index}`);
const CLIENTS = 24;
const PIECE = 256 * KIB;

/** Each 64 bytes say whose they are and where they belong. */
function contentOf(mark: string, size: number): Buffer {
  const lines: string[] = [];
  for (let at = 0; at < size; at += 64) lines.push(`${mark} ${at} `.padEnd(64, '.'));
  return Buffer.from(lines.join(''), 'latin1').subarray(0, size);
}

class World {
  /** By gfid. */
  readonly contents = new Map<string, Buffer>();
  readonly seen = { whole: 0, parts: 0, errors: 0, cancelled: 0 };
  #versions = 0;

  constructor(
    readonly volume: FakeVolume,
    readonly cache: CachedStorage,
    readonly random: Random,
  ) {}

  write(path: string): void {
    const size = this.random.pick(SIZES);
    this.#versions += 1;
    const content = contentOf(`${path} v${this.#versions}`, size);
    const { gfid } = this.volume.write(path, content);
    this.contents.set(gfid, content);
    if (this.random.chance(0.5)) this.volume.tell({ kind: 'changed', gfid });
  }

  /** What the volume does with the next calls. */
  disturb(): void {
    const { random, volume } = this;
    volume.delayMs = random.pick([0, 0, 0, 1, 3, 8]);
    volume.failure = random.chance(0.04) ? random.pick(['down', 'changed', 'io', 'timeout']) : null;
    if (random.chance(0.02)) volume.tell({ kind: random.pick(['down', 'lost'] as const) });
  }

  /** One request, to its end or until its client has gone. */
  async ask(): Promise<void> {
    const { random, seen } = this;
    this.disturb();
    const from = random.chance(0.7) ? 0 : random.between(0, 40) * 64 * KIB;
    const wanted = requestFor(random.pick(PATHS), { from });
    const result = await new Promise<OpenResult | null>((resolve) => {
      const cancel = this.cache.open(wanted, resolve);
      if (!random.chance(0.1)) return;
      setTimeout(
        () => {
          cancel();
          // Where it had come already, that was first.
          resolve(null);
        },
        random.between(0, 6),
      );
    });
    if (result === null) seen.cancelled += 1;
    else if (!result.ok) seen.errors += 1;
    else await this.#take(result, from);
  }

  async #take(opened: Opened, from: number): Promise<void> {
    const { chunk, chunkOffset, file, stat } = opened;
    let at = from;
    if (chunk) {
      await this.#compare(chunk, stat.gfid, chunkOffset);
      this.seen.whole += 1;
      at = chunkOffset + chunk.bytes.length;
      chunk.release();
    }
    if (!file) return;
    while (at < stat.size && !this.random.chance(0.05)) {
      this.disturb();
      const length = lengthOf(file, at, Math.min(PIECE, stat.size - at));
      const read = await new Promise<ReadResult>((resolve) => file.read(at, length, resolve));
      if (!read.ok) break;
      expect(read.chunk.bytes).toHaveLength(length);
      await this.#compare(read.chunk, stat.gfid, at);
      this.seen.parts += 1;
      read.chunk.release();
      at += length;
    }
    file.release();
  }

  /** At once, and again while it is held. */
  async #compare({ bytes }: Chunk, gfid: string, offset: number): Promise<void> {
    const expected = this.contents.get(gfid)?.subarray(offset, offset + bytes.length);
    if (!expected) throw new Error('a version that never was');
    for (let look = 0; look < 2; look++) {
      if (expected.compare(bytes) !== 0) throw new Error(strange(bytes, expected, offset));
      if (look === 0) await sleep(this.random.pick([0, 0, 1, 5]));
    }
  }
}

const lengthOf = (file: OpenFile, at: number, length: number): number =>
  file.fit?.(at, length) ?? length;

function strange(bytes: Uint8Array, expected: Buffer, offset: number): string {
  const first = expected.findIndex((byte, index) => byte !== bytes[index]);
  const line = first - (first % 64);
  const text = Buffer.from(bytes.subarray(line, line + 64)).toString('latin1');
  return `at ${offset + line}: ${JSON.stringify(text)} in the place of ${expected.toString('latin1', line, line + 64)}`;
}

test.each([
  [1, 0],
  [2, 0],
  [3, 20],
  [4, 60_000],
])(
  'seed %d, valid for %d ms',
  async (seed, validMs) => {
    const { cache, volume, memory } = cacheOnVolume({ validMs, negativeMs: validMs }, 12 * MIB);
    const world = new World(volume, cache, new Random(seed));
    for (const path of PATHS) world.write(path);
    const begin = performance.now();
    // Where the machine is busy it takes longer to have seen enough.
    const isOver = (): boolean => {
      const ms = performance.now() - begin;
      return ms > 30_000 || (ms > 3_000 && world.seen.whole > 100 && world.seen.parts > 100);
    };
    const client = async (): Promise<void> => {
      while (!isOver()) await world.ask();
    };
    const writer = async (): Promise<void> => {
      while (!isOver()) {
        world.write(world.random.pick(PATHS));
        await sleep(world.random.between(1, 20));
      }
    };
    await Promise.all([writer(), ...Array.from({ length: CLIENTS }, client)]);
    volume.failure = null;
    expect(world.seen.whole).toBeGreaterThan(100);
    expect(world.seen.parts).toBeGreaterThan(100);
    expect(memory.bytes).toBeLessThanOrEqual(12 * MIB);
  },
  60_000,
);
