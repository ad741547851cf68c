/** With what Node.js is started for a worker. */
import { expect, test } from '@jest/globals';
import { workerFlags } from '../../src/worker_flags.js';

const MIB = 1024 * 1024;
const OTHERS = ['--max-semi-space-size=2', '--heap-growing-percent=40'];

const flags = (
  sizeMib: number,
  workers: number,
  ours: readonly string[] = [],
  nodeOptions = '',
): string[] =>
  workerFlags(
    // Only these two count.
    { cache: { sizeBytes: sizeMib * MIB }, server: { workers } } as Parameters<
      typeof workerFlags
    >[0],
    ours,
    nodeOptions,
  );

test('the heap has room for a cache of nothing but names', () => {
  expect(flags(0, 4)).toEqual(['--max-old-space-size=1024', ...OTHERS]);
  expect(flags(256, 2)[0]).toBe('--max-old-space-size=1216');
  expect(flags(16_384, 1)[0]).toBe('--max-old-space-size=25600');
});

test.each([
  [['--max-old-space-size=300'], ''],
  [['--max_old_space_size=300'], ''],
  [[], '--trace-gc --max-old-space-size=300'],
])('who has said it has the last word: %j %j', (ours, nodeOptions) => {
  expect(flags(256, 1, ours, nodeOptions)).toEqual([...ours, ...OTHERS]);
});
