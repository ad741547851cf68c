import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { Deadlines } from '../../src/storage/deadlines.js';

test('what is not cleared expires once, in order, and not early', async () => {
  const deadlines = new Deadlines(200);
  const expired: string[] = [];
  const start = performance.now();
  deadlines.set(() => expired.push('a'));
  const cleared = deadlines.set(() => expired.push('cleared'));
  await sleep(100);
  deadlines.set(() => expired.push('b'));
  deadlines.clear(cleared);
  while (expired.length === 0) await sleep(5);
  expect(performance.now() - start).toBeGreaterThanOrEqual(199);
  expect(expired).toEqual(['a']);
  while (expired.length === 1) await sleep(5);
  expect(expired).toEqual(['a', 'b']);
  await sleep(300);
  expect(expired).toEqual(['a', 'b']);
});

test('a deadline that is set while another expires is kept', async () => {
  const deadlines = new Deadlines(60);
  let second = false;
  await new Promise<void>((resolve) => {
    deadlines.set(() =>
      deadlines.set(() => {
        second = true;
        resolve();
      }),
    );
  });
  expect(second).toBe(true);
});
