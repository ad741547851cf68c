/** The watch over a connected volume, on an addon of the test's own. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { VolumeCounters } from '../../src/observe/volume_counters.js';
import { Connection } from '../../src/storage/connection.js';
import { Deadlines } from '../../src/storage/deadlines.js';
import type { Completion, Native } from '../../src/storage/native.js';

const watches: ((completion: Completion) => void)[] = [];
let connection: Connection;
const renewals: ((completion: Completion) => void)[] = [];

/** Ends the watch that began first. */
function endWatch(): void {
  const done = watches.shift();
  if (!done) throw new Error('no watch is under way');
  done({ chunk: null } as Completion);
}

/** The same, with bricks of these groups. */
function endWatchOf(groups: readonly string[]): void {
  const lines = groups.map((group, index) => `v-client-${index}\thost\t/b${index}\t1\t${group}\t1`);
  const bytes = Buffer.from(`0 0 graph\n${lines.join('\n')}\n`);
  watches.shift()?.({ chunk: { bytes, release: () => undefined } } as unknown as Completion);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  watches.length = 0;
  renewals.length = 0;
  const native = {
    listen: () => undefined,
    close: () => undefined,
    stats: () => null,
    setSpare: () => undefined,
    renewLayout: (_volume: number, done: (completion: Completion) => void) => {
      renewals.push(done);
      return 1;
    },
    watch: (_volume: number, done: (completion: Completion) => void) => {
      watches.push(done);
      return 1;
    },
  } as unknown as Native;
  const options = {
    native,
    deadlines: new Deadlines(1000),
    threads: 4,
    requestTimeoutMs: 1000,
    counters: new VolumeCounters(),
  };
  connection = new Connection(1, options, {
    verdict: () => undefined,
    layoutChanged: () => undefined,
    mustReconnect: () => undefined,
    failed: () => undefined,
    said: () => undefined,
  });
});

afterEach(() => {
  connection.close();
});

test('who waits is told by a watch that began later, once, and all of them by the same', async () => {
  let told = 0;
  const tell = (): void => {
    told += 1;
  };
  connection.refresh(tell);
  connection.refresh(() => tell());
  await turn();
  endWatch();
  expect([told, watches.length]).toEqual([0, 1]);
  endWatch();
  expect([told, watches.length]).toEqual([2, 0]);
});

test('who no longer waits is not told, whether the watch has begun or not', async () => {
  const fail = (): void => {
    throw new Error('told after all');
  };
  const forgetFirst = connection.refresh(fail);
  await turn();
  forgetFirst();
  endWatch();
  let told = 0;
  connection.refresh(() => {
    told += 1;
  });
  const forgetSecond = connection.refresh(fail);
  await turn();
  forgetSecond();
  while (watches.length > 0) endWatch();
  expect(told).toBe(1);
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('where files are spread over bricks the layout is renewed each second, one call at a time', async () => {
  endWatchOf(['a', 'b']);
  await pause(1_400);
  expect(renewals).toHaveLength(1);
  await pause(1_300);
  expect(renewals).toHaveLength(1);
  renewals.shift()?.({ status: 0 } as Completion);
  await pause(400);
  expect(renewals).toHaveLength(1);
});

test('where all bricks have the same files there is no need', async () => {
  endWatchOf(['a', 'a', 'a']);
  await pause(1_400);
  expect(renewals).toHaveLength(0);
});
