/** Which results are believed, asked for again or given up, without a clock of their own: real timers, short deadlines. */
import { expect, test } from '@jest/globals';
import { Deadlines } from '../../src/storage/deadlines.js';
import { type Attempt, type Outlook, Persistence } from '../../src/storage/persistence.js';
import type { StorageError } from '../../src/storage/storage.js';

interface Found {
  readonly ok: true;
  readonly name: string;
}
type Result = Found | StorageError;

const FOUND: Result = { ok: true, name: 'a' };
const error = (code: StorageError['code']): StorageError => ({ ok: false, code, errno: 2 });
const MISSING = error('not-found');
const BROKEN = error('io');
const DOWN = { ok: false, code: 'down', errno: 0 };

interface Signs {
  spreadsFiles: boolean;
  hides: boolean;
  passing: boolean;
  hangs: boolean;
}
const CALM: Signs = { spreadsFiles: true, hides: false, passing: false, hangs: false };

const outlookOf = (signs: Signs): Outlook => ({
  get spreadsFiles() {
    return signs.spreadsFiles;
  },
  hidesFiles: () => signs.hides,
  isPassing: () => signs.passing,
  refresh: (done) => {
    const timer = setTimeout(done, signs.hangs ? 60_000 : 1);
    return () => clearTimeout(timer);
  },
});

/** Gives `results` one after the other, the last one for ever. */
function attemptOf(results: readonly Result[], again = true): Attempt<Found> & { calls: number } {
  const attempt = {
    calls: 0,
    again,
    call: (done: (result: Result) => void) => {
      const result = results[Math.min(attempt.calls++, results.length - 1)];
      const timer = setTimeout(() => result && done(result), 1);
      return () => clearTimeout(timer);
    },
    doubt: (result: Result) => {
      if (result.ok) return 'none' as const;
      return result.code === 'not-found' ? ('missing' as const) : ('failed' as const);
    },
    discard: () => undefined,
  };
  return attempt;
}

test.each<[string, Partial<Signs>, readonly Result[], Result | typeof DOWN, number]>([
  ['what is found is believed', { hides: true, passing: true }, [FOUND], FOUND, 1],
  ['what is missing while no brick is', {}, [MISSING], MISSING, 1],
  [
    'what is missing where all bricks are alike',
    { spreadsFiles: false, hides: true },
    [MISSING],
    MISSING,
    1,
  ],
  ['what is missing with a brick that is long gone', { hides: true }, [MISSING], DOWN, 1],
  ['what is found later', { hides: true, passing: true }, [MISSING, MISSING, FOUND], FOUND, 3],
  ['a failure that is none of a change', {}, [BROKEN, FOUND], BROKEN, 1],
  ['a failure that passes', { passing: true }, [BROKEN, FOUND], FOUND, 2],
  ['what stays missing until the deadline', { hides: true, passing: true }, [MISSING], DOWN, 3],
  ['a failure that stays until the deadline', { passing: true }, [BROKEN], BROKEN, 3],
  [
    'nothing is known before the deadline: believed as before',
    { hangs: true },
    [MISSING],
    MISSING,
    1,
  ],
  [
    'nothing is known before the deadline, and files are hidden',
    { hangs: true, hides: true },
    [MISSING],
    DOWN,
    1,
  ],
])('%s', async (_what, signs, results, expected, calls) => {
  const deadlines = new Deadlines(1_000);
  const persistence = new Persistence(outlookOf({ ...CALM, ...signs }), deadlines);
  const attempt = attemptOf(results);
  const result = await new Promise<Result>((resolve) => {
    persistence.run(attempt, resolve);
  });
  expect(result).toEqual(expected);
  expect(attempt.calls).toBe(calls);
  expect(persistence.waiting).toBe(0);
});

test('what counts is whether the volume has changed since the last call, not since the first', async () => {
  const changedMs = performance.now() + 50;
  const outlook: Outlook = {
    ...outlookOf({ ...CALM, hides: true }),
    isPassing: (sinceMs) => sinceMs <= changedMs,
  };
  const persistence = new Persistence(outlook, new Deadlines(5_000));
  const attempt = attemptOf([MISSING]);
  const result = await new Promise((resolve) => persistence.run(attempt, resolve));
  expect(result).toEqual(DOWN);
  expect(attempt.calls).toBe(2);
});

test('what has waited already is asked for less often', async () => {
  const persistence = new Persistence(outlookOf({ ...CALM, passing: true }), new Deadlines(900));
  const attempt = attemptOf([BROKEN]);
  await new Promise((resolve) => persistence.run(attempt, resolve, 600));
  expect(attempt.calls).toBe(1);
});

test('what can only be asked for once is given up', async () => {
  const signs = { ...CALM, passing: true, hides: true };
  const persistence = new Persistence(outlookOf(signs), new Deadlines(900));
  const attempt = attemptOf([MISSING], false);
  const result = await new Promise((resolve) => persistence.run(attempt, resolve));
  expect(result).toEqual(DOWN);
});

test.each([0, 1, 2, 5, 100, 300])('whoever leaves after %d ms is not called', async (ms) => {
  const signs = { ...CALM, passing: true, hides: true };
  const persistence = new Persistence(outlookOf(signs), new Deadlines(900));
  let called = false;
  const cancel = persistence.run(attemptOf([MISSING]), () => {
    called = true;
  });
  await new Promise((resolve) => setTimeout(resolve, ms));
  cancel();
  await new Promise((resolve) => setTimeout(resolve, 1000 - ms));
  expect(called).toBe(false);
  expect(persistence.waiting).toBe(0);
});

test('once another connection has taken over nothing is asked again, and who waits for that is told at once', async () => {
  const signs = { ...CALM, passing: true };
  const persistence = new Persistence(outlookOf(signs), new Deadlines(60_000));
  const begin = (): Promise<Result> =>
    new Promise((resolve) => {
      persistence.run(attemptOf([BROKEN]), resolve);
    });
  const waiting = begin();
  const startMs = performance.now();
  while (persistence.waiting === 0 || performance.now() - startMs < 50) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  persistence.end();
  expect(await waiting).toEqual(DOWN);
  expect(performance.now() - startMs).toBeLessThan(180);
  expect(persistence.waiting).toBe(0);
  expect(await begin()).toEqual(BROKEN);
});
