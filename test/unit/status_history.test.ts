/** What the supervisor remembers for the status page. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BOUNDS, countOf, Histogram, quantile } from '../../src/observe/histogram.js';
import type { WorkerFigures } from '../../src/observe/ledger.js';
import { cache, http, type Sample, sample, volumes } from '../../src/observe/metrics.js';
import { recent } from '../../src/single_flight.js';
import { Events } from '../../src/status/events.js';
import { History, type Moment, momentOf } from '../../src/status/history.js';
import { read, requestsOf } from '../../src/status/totals.js';
import { VolumeWatch } from '../../src/status/volume_watch.js';

const cellsOf = (...ms: number[]): number[] => {
  const times = new Histogram();
  for (const each of ms) times.observe(each);
  return times.cells();
};

describe('quantiles', () => {
  test.each([
    ['of nothing there are none', [], 0.5, null],
    ['lie within their bucket, evenly', [7, 7, 7, 7], 0.5, 0.0075],
    ['of one observation too', [7], 0.99, 0.005 + 0.005 * 0.99],
    ['begin at 0', [0.05], 1, 0.0001],
    ['of what is longer than every bound are the last', [400_000], 0.5, 300],
    ['find the bucket', [0.05, 0.05, 0.05, 9, 9, 200], 0.5, 0.0001],
  ])('%s', (_, ms, share, seconds) => {
    const found = quantile(cellsOf(...ms), share);
    if (seconds === null) expect(found).toBeNull();
    else expect(found).toBeCloseTo(seconds, 9);
  });

  test('lie in the same bucket as what was really observed there', () => {
    const times = fc.array(fc.double({ min: 0, max: 200_000, noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(times, fc.double({ min: 0.01, max: 1, noNaN: true }), (all, share) => {
        const cells = cellsOf(...all);
        expect(countOf(cells)).toBe(all.length);
        const sorted = [...all].sort((a, b) => a - b);
        const real = (sorted[Math.max(0, Math.ceil(share * all.length) - 1)] ?? 0) / 1000;
        const upper = BOUNDS.find((bound) => real <= bound) ?? 0;
        const lower = BOUNDS[BOUNDS.indexOf(upper) - 1] ?? 0;
        const found = quantile(cells, share) ?? -1;
        expect(found).toBeGreaterThanOrEqual(lower);
        expect(found).toBeLessThanOrEqual(upper);
      }),
    );
  });
});

const load = (count: number, connections = 3): Sample[] => [
  sample(http.requests, ['main', 'GET', '200'], count),
  sample(http.requests, ['main', 'GET', '503'], count / 10),
  sample(http.requests, ['other', 'HEAD', '404'], count / 2),
  sample(http.bytes, ['main'], count * 100),
  sample(http.firstByte, ['main', 'hit'], cellsOf(...Array<number>(count).fill(0.2))),
  sample(http.firstByte, ['main', 'miss'], cellsOf(...Array<number>(count).fill(20))),
  sample(http.connections, [], connections),
  sample(cache.bytes, [], 5),
];

const moment = (ms: number, samples: Sample[]): Moment => momentOf(read(samples), ms, 1e12 + ms);

test('samples are added up by class, mount and outcome', () => {
  const { totals, parts } = read(load(20));
  expect(totals.classes).toEqual({ '2xx': 20, '3xx': 0, '4xx': 10, '5xx': 2, other: 0 });
  expect(requestsOf(totals)).toBe(32);
  expect([totals.answers, totals.hits, totals.bytes]).toEqual([40, 20, 2000]);
  expect(parts.mounts.get('main')).toMatchObject({ requests: 22, failed: 2, bytes: 2000 });
  expect(parts.mounts.get('other')).toMatchObject({ requests: 10, failed: 0, bytes: 0 });
});

describe('history', () => {
  test('is what happened in each step', () => {
    const history = new History(moment(0, []));
    history.add(moment(5_000, load(10)));
    history.add(moment(10_000, load(10)));
    // Late, as a machine that was busy is.
    history.add(moment(20_000, load(110, 7)));
    const columns = history.columns();
    expect(columns.at).toEqual([1e12 + 5_000, 1e12 + 10_000, 1e12 + 20_000]);
    expect(columns.perSecond['2xx']).toEqual([2, 0, 10]);
    expect(columns.perSecond['5xx']).toEqual([0.2, 0, 1]);
    expect(columns.bytesPerSecond).toEqual([200, 0, 1000]);
    expect(columns.connections).toEqual([3, 3, 7]);
    expect(columns.hitRatio).toEqual([0.5, null, 0.5]);
    expect(columns.p50Ms).toEqual([0.25, null, 0.25]);
    expect(columns.p99Ms[2]).toBeGreaterThan(20);
  });

  test('that a count is missing, with a process that never reported it again, is no negative rate', () => {
    const history = new History(moment(0, load(10)));
    history.add(moment(5_000, []));
    expect(history.columns().perSecond['2xx']).toEqual([0]);
  });

  test('is bounded: ten minutes, with the parts of the last one', () => {
    const history = new History(moment(0, []));
    for (let step = 1; step <= 500; step++) history.add(moment(step * 5_000, load(step)));
    const { at, stepMs } = history.columns();
    expect([at.length, stepMs]).toEqual([120, 5_000]);
    expect(at.at(-1)).toBe(1e12 + 2_500_000);
    expect(history.before(2_500_000, 60_000).ms).toBe(2_440_000);
    expect(history.before(2_502_000, 60_000).ms).toBe(2_440_000);
    expect(history.before(2_502_000, 10_000).ms).toBe(2_490_000);
    // Further back there are no parts any more.
    expect(history.before(2_500_000, 600_000).ms).toBe(2_440_000);
  });

  test('before there is any, what was at the start is what is compared with', () => {
    const history = new History(moment(100, []));
    expect(history.before(200, 60_000).ms).toBe(100);
    expect(history.columns().at).toEqual([]);
  });
});

test('events are bounded, in number and length', () => {
  const events = new Events(() => 0);
  for (let i = 0; i < 200; i++) events.add('worker', 'bad', `${i} ${'x'.repeat(i * 10)}`);
  expect(events.latest.length).toBe(50);
  expect(events.latest[0]?.text).toMatch(/^199 x{296}…$/);
  expect(events.latest.at(-1)?.text).toMatch(/^150 /);
});

describe('volumes', () => {
  let nowMs = 0;
  const worker = (
    number: number,
    state: string,
    bricks: Record<string, number> = {},
    phase: WorkerFigures['phase'] = 'ready',
  ): WorkerFigures => ({
    number,
    pid: number,
    phase,
    ageMs: 0,
    samples: [
      sample(volumes.state, ['a', 'healthy'], state === 'healthy' ? 1 : 0),
      ...(state === 'healthy' ? [] : [sample(volumes.state, ['a', state], 1)]),
      ...Object.entries(bricks).map(([text, up]) => sample(volumes.brickUp, ['a', text], up)),
    ],
  });
  const create = (): {
    watch: VolumeWatch;
    said: () => string[];
    look: (...w: WorkerFigures[]) => void;
  } => {
    nowMs = 0;
    const events = new Events(() => nowMs);
    const watch = new VolumeWatch(events, () => nowMs);
    return {
      watch,
      said: () => events.latest.map(({ tone, text }) => `${tone}: ${text}`).reverse(),
      look: (...workers) => watch.look([{ name: 'a' }], workers),
    };
  };

  test('are as bad as in the worst ready worker, since that changed', () => {
    const { watch, said, look } = create();
    look(worker(1, 'healthy'), worker(2, 'healthy'));
    nowMs = 65_000;
    look(worker(1, 'healthy'), worker(2, 'down'), worker(3, 'connecting', {}, 'draining'));
    expect(watch.get('a')).toMatchObject({
      state: 'down',
      since: '1970-01-01T00:01:05.000Z',
      workers: { healthy: 1, down: 1 },
    });
    nowMs = 70_000;
    look(worker(1, 'degraded'), worker(2, 'degraded'));
    nowMs = 80_000;
    look(worker(1, 'healthy'), worker(2, 'healthy'));
    expect(said()).toEqual([
      'bad: volume a is down, after it was healthy for 1 min',
      'neutral: volume a is degraded, after it was down for 5 s',
      'good: volume a is healthy, after it was degraded for 10 s',
    ]);
  });

  test('are unknown while no worker is ready, which is no change', () => {
    const { watch, said, look } = create();
    look(worker(1, 'healthy'));
    nowMs = 1000;
    look();
    expect(watch.get('a')).toMatchObject({ state: 'unknown', since: '1970-01-01T00:00:00.000Z' });
    look(worker(1, 'healthy'));
    expect(watch.get('a')).toMatchObject({ state: 'healthy', since: '1970-01-01T00:00:00.000Z' });
    expect(said()).toEqual([]);
  });

  test('bricks are up when every worker is connected to them', () => {
    const { watch, said, look } = create();
    look(
      worker(1, 'healthy', { 'h:/1': 1, 'h:/2': 1 }),
      worker(2, 'healthy', { 'h:/1': 1, 'h:/2': 1 }),
    );
    nowMs = 5_000;
    look(
      worker(1, 'degraded', { 'h:/1': 0, 'h:/2': 1 }),
      worker(2, 'healthy', { 'h:/1': 1, 'h:/2': 1 }),
    );
    expect(watch.get('a').bricks).toEqual([
      { text: 'h:/1', up: false, since: '1970-01-01T00:00:05.000Z' },
      { text: 'h:/2', up: true, since: '1970-01-01T00:00:00.000Z' },
    ]);
    nowMs = 9_000;
    // Another layout, of which one is gone and one is new.
    look(worker(1, 'healthy', { 'h:/1': 1, 'h:/3': 1 }));
    expect(
      watch
        .get('a')
        .bricks.map(({ text }) => text)
        .sort(),
    ).toEqual(['h:/1', 'h:/3']);
    expect(said().filter((text) => text.includes('brick'))).toEqual([
      'bad: volume a: brick h:/1 is not connected',
      'good: volume a: brick h:/1 is connected again',
    ]);
  });

  test('those that are configured no more are forgotten', () => {
    const { watch, look } = create();
    look(worker(1, 'down'));
    watch.look([], [worker(1, 'down')]);
    expect(watch.get('a').state).toBe('unknown');
  });
});

test('what was asked for just now is not asked for again', async () => {
  let nowMs = 0;
  let calls = 0;
  const ask = recent(
    1000,
    async () => {
      calls += 1;
      if (calls === 3) throw new Error('no');
      return calls;
    },
    () => nowMs,
  );
  expect([await ask(), await ask()]).toEqual([1, 1]);
  nowMs = 1000;
  expect(await ask()).toBe(2);
  nowMs = 2000;
  await expect(ask()).rejects.toThrow('no');
  expect(await ask()).toBe(4);
});
