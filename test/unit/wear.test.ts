/** When a worker asks to be renewed. */
import { expect, test } from '@jest/globals';
import { mostEnded, Wear } from '../../src/wear.js';

const MIB = 1024 * 1024;
const healthy = { state: 'healthy', since: 0 };

test('more connections may end in a worker that holds more', () => {
  expect(mostEnded(0)).toBe(4);
  expect(mostEnded(96 * MIB)).toBe(6);
  expect(mostEnded(1024 * MIB)).toBe(29);
});

test('it asks when so many have ended, not in its first minute, and again after five', () => {
  let now = 0;
  const wear = new Wear(0, () => now);
  now = 59_999;
  expect(wear.isDue(4, [healthy])).toBe(false);
  now = 60_000;
  expect(wear.isDue(3, [healthy])).toBe(false);
  expect(wear.isDue(4, [healthy])).toBe(true);
  expect(wear.isDue(5, [healthy])).toBe(false);
  now = 360_000;
  expect(wear.isDue(5, [healthy])).toBe(true);
});

test.each([
  ['healthy', 90_000, true],
  ['healthy', 90_001, false],
  ['connecting', 0, true],
  ['degraded', 0, false],
  ['down', 0, false],
])('with a volume that is %s since %i, at 100,000: %s', (state, since, isDue) => {
  let now = 0;
  const wear = new Wear(0, () => now);
  now = 100_000;
  expect(wear.isDue(4, [healthy, { state, since }])).toBe(isDue);
});
