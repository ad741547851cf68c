/** That what the cache counts is what it takes. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { Item } from '../../src/storage/cache/lru.js';
import { Memory } from '../../src/storage/cache/memory.js';
import { handleCapacity, handleCost } from '../../src/storage/connect.js';

const PROGRAM = fileURLToPath(new URL('../support/cache_memory.js', import.meta.url));
const MIB = 1024 * 1024;

interface State {
  readonly rss: number;
  readonly counted: number;
}

interface Measured {
  readonly before: State;
  readonly full: State;
  readonly later: State;
  readonly evictions: number;
}

class Filler extends Item {
  override evicted(): void {}
}

// The heads of answers, which the cache counts and http keeps, are not among it: so it may take somewhat less.
test.each([
  [1024, 24],
  [4096, 32],
  [65_536, 96],
])('files of %d bytes take what is counted: %d MiB', async (size, budget) => {
  const flags = ['--expose-gc', '--max-semi-space-size=2', '--max-old-space-size=1024'];
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...flags, PROGRAM, String(size), String(budget)],
    {
      env: { ...process.env, NODE_OPTIONS: '' },
      timeout: 100_000,
    },
  );
  const { before, full, later, evictions } = JSON.parse(stdout) as Measured;
  expect(evictions).toBeGreaterThan(100);
  for (const state of [full, later]) {
    expect(state.counted).toBeLessThanOrEqual(budget * MIB);
    expect(state.counted).toBeGreaterThan((budget - 1) * MIB);
    const share = (state.rss - before.rss) / (state.counted - before.counted);
    expect(share).toBeGreaterThan(0.7);
    expect(share).toBeLessThan(1.3);
  }
});

describe('handles', () => {
  test('go with the cache, and volumes share them', () => {
    expect(handleCapacity(0, 1)).toBe(16_384);
    expect(handleCapacity(96 * MIB, 1)).toBe(16_384);
    expect(handleCapacity(256 * MIB, 1)).toBe(32_768);
    expect(handleCapacity(256 * MIB, 2)).toBe(16_384);
    expect(handleCapacity(16_384 * MIB, 1)).toBe(65_536);
    expect(handleCapacity(0, 50)).toBe(8_192);
  });

  test('those that a worker has for the cache are at its expense', () => {
    expect(handleCost(16_384)).toBe(0);
    expect(handleCost(65_536)).toBeGreaterThan(80 * MIB);
    const memory = new Memory(MIB);
    for (let count = 0; count < 64; count++) memory.holdObject(new Filler(MIB / 64), 0);
    expect(memory.bytes).toBe(MIB);
    memory.setAside(MIB / 4);
    expect(memory.holdObject(new Filler(MIB / 64), 0)).toBe(true);
    expect(memory.bytes).toBe((MIB * 3) / 4);
    memory.setAside(2 * MIB);
    expect(memory.holdObject(new Filler(MIB / 64), 0)).toBe(true);
    expect(memory.bytes).toBe(MIB / 2);
    memory.setAside(0);
    for (let count = 0; count < 64; count++) memory.holdObject(new Filler(MIB / 64), 0);
    expect(memory.bytes).toBe(MIB);
  });
});
