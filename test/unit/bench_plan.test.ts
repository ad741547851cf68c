import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  type DataFile,
  type Dataset,
  PART_NAMES,
  PARTS,
  type Part,
  pathOf,
} from '../../bench/dataset/parts.js';
import { WINDOW, WINDOW_SHIFT, Windows } from '../../bench/dataset/windows.js';
import { loadOf as cannonLoad } from '../../bench/load/autocannon.js';
import { type PlannedRequest, planText, readyRequest } from '../../bench/load/plan.js';
import { Picker, scaled, scattered, zipf } from '../../bench/load/weights.js';
import { loadOf, type WrkResult } from '../../bench/load/wrk.js';
import { absentPlan, sitePlan, videoPlan, wholePlan } from '../../bench/plans.js';
import { problemOf } from '../../bench/probe.js';
import { sample } from '../../bench/verify.js';

const file: DataFile = { path: '/a.bin', size: 4, sha256: 'aa', windows: [] };
const part = { from: 10, size: 5, sha256: 'bb' };

describe('a planned request as it is sent', () => {
  const rows: readonly (readonly [PlannedRequest, string | null, object])[] = [
    [{ kind: 'whole', file, weight: 1 }, null, { status: 200, size: 4, sha256: 'aa', headers: {} }],
    [
      { kind: 'part', file, part, weight: 1 },
      null,
      { status: 206, size: 5, sha256: 'bb', headers: { Range: 'bytes=10-14' } },
    ],
    [
      { kind: 'unchanged', file, weight: 1 },
      '"x"',
      { status: 304, size: 0, sha256: null, headers: { 'If-None-Match': '"x"' } },
    ],
    [{ kind: 'unchanged', file, weight: 1 }, null, { status: 200, size: 4, headers: {} }],
    [{ kind: 'absent', path: '/b', weight: 1 }, null, { path: '/b', status: 404, sha256: null }],
  ];
  test.each(rows)('%j', (planned, etag, expected) => {
    expect(readyRequest(planned, etag)).toMatchObject(expected);
  });

  test('is a line of the plan', () => {
    const requests = [
      readyRequest({ kind: 'part', file, part, weight: 0.5 }, null),
      readyRequest({ kind: 'absent', path: '/b', weight: 2 }, null),
    ];
    expect(planText(requests)).toBe('0.5\t206\t5\t/a.bin\tRange: bytes=10-14\n2\t404\t0\t/b\n');
  });
});

describe('an answer that is looked at', () => {
  const wanted = readyRequest({ kind: 'whole', file, weight: 1 }, null);
  const right = { status: 200, size: 4, sha256: 'aa', headers: { 'content-length': '4' } };
  test.each([
    ['right', {}, null],
    ['another status', { status: 404 }, 'status 404, not 200'],
    ['another length announced', { headers: {} }, 'Content-Length undefined, not 4'],
    ['too short', { size: 3 }, '3 bytes, not 4'],
    ['other bytes', { sha256: 'cc' }, 'other bytes than were written'],
  ])('%s', (_title, difference, problem) => {
    expect(problemOf(wanted, { ...right, ...difference })).toBe(problem);
  });

  test('of a 304 only the status counts', () => {
    const unchanged = readyRequest({ kind: 'unchanged', file, weight: 1 }, '"x"');
    expect(problemOf(unchanged, { status: 304, size: 0, sha256: '', headers: {} })).toBeNull();
    expect(problemOf(unchanged, { ...right })).toBe('status 200, not 304');
  });
});

describe('weights', () => {
  test('of Zipf', () => {
    expect(zipf(3)).toEqual([1, 1 / 2, 1 / 3]);
    expect(scaled([1, 3], 0.5)).toEqual([0.125, 0.375]);
  });

  test('what is scattered is still all there', () => {
    const items = Array.from({ length: 1023 }, (_, index) => index);
    expect([...scattered(items, 389)].sort((a, b) => a - b)).toEqual(items);
  });

  test('a pick is where a walk over the weights ends', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(weights, fc.double({ min: 0, max: 0.999, noNaN: true }), (list, random) => {
        // One is heavier than all others: those of equal weights are dealt, see below.
        const all = [...list, 10];
        const items = all.map((weight, index) => ({ weight, index }));
        let left = random * all.reduce((sum, weight) => sum + weight, 0);
        const walked = items.find(({ weight }) => {
          left -= weight;
          return left < 0;
        });
        expect(new Picker(items).pick(random)).toBe(walked);
      }),
    );
    expect(() => new Picker([])).toThrow(RangeError);
  });

  test('of items of equal weights none comes twice before all have come', () => {
    const randoms = fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 12 });
    fc.assert(
      fc.property(randoms, (list) => {
        const items = Array.from({ length: 6 }, (_, index) => ({ weight: 0.5, index }));
        const picker = new Picker(items);
        const picked = list.map((random) => picker.pick(random).index);
        expect(picked.slice(0, 6).sort()).toEqual([0, 1, 2, 3, 4, 5]);
        expect(picked.slice(6, 12).sort()).toEqual([0, 1, 2, 3, 4, 5]);
      }),
    );
  });
});

/** Files that are nowhere. */
function datasetOf(count: number): Dataset {
  const files = (name: Part): readonly DataFile[] =>
    Array.from({ length: Math.min(count, PARTS[name].count) }, (_, index) => ({
      ...{ path: pathOf(name, index), size: PARTS[name].size, sha256: 'aa' },
      windows: name === 'video' ? [part, { ...part, from: 20 }] : [],
    }));
  return Object.fromEntries(PART_NAMES.map((name) => [name, files(name)])) as Record<
    Part,
    readonly DataFile[]
  >;
}

describe('plans', () => {
  const dataset = datasetOf(300);

  test('of a site have the shares that its title says', () => {
    const shares: Record<string, number> = {};
    for (const request of sitePlan(dataset).requests) {
      const kind = request.kind === 'whole' ? request.file.path.split('/')[1] : request.kind;
      shares[kind ?? ''] = (shares[kind ?? ''] ?? 0) + request.weight;
    }
    const rounded = Object.entries(shares).map(([kind, share]) => [kind, +share.toFixed(6)]);
    expect(Object.fromEntries(rounded)).toEqual({
      ...{ small: 0.7, medium: 0.13, big: 0.02, absent: 0.05, unchanged: 0.1 },
    });
  });

  test('ask for every file, every window, and names that are not there', () => {
    expect(wholePlan(dataset, 'small').requests).toHaveLength(300);
    expect(videoPlan(dataset).requests.map(({ kind }) => kind)).toEqual(['part', 'part']);
    expect(absentPlan('hot-4k').requests[7]).toMatchObject({ path: '/hot-4k/0/absent-7.bin' });
  });

  test('paths are as long as each other', () => {
    expect(pathOf('small', 101)).toBe('/small/01/0101.bin');
    expect(pathOf('many', 199_999)).toBe('/many/999/199999.bin');
  });
});

test('windows span two blocks each', () => {
  const windows = new Windows();
  for (let index = 0; index < 3; index++) windows.take(Buffer.alloc(WINDOW, index));
  expect(windows.parts).toMatchObject([
    { from: WINDOW_SHIFT, size: WINDOW },
    { from: WINDOW_SHIFT + WINDOW, size: WINDOW },
  ]);
});

test('of too many some are taken, at even distances', () => {
  expect(sample([1, 2, 3], 3)).toEqual([1, 2, 3]);
  expect(sample([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 4)).toEqual([0, 2, 5, 7]);
});

describe("wrk's result", () => {
  const result: WrkResult = {
    ...{ requests: 1000, microseconds: 2e6, bytes: 4_300_000, p50: 1500, p99: 2500, p999: 3500 },
    ...{ cpu: 1, connect: 0, read: 0, write: 0, status: 0, timeout: 0 },
    ...{ expectedBytes: 4_096_000, expectedFailures: 0 },
  };
  const expected = { inFlight: 10, largest: 4096, framesErrors: true };

  test('without errors', () => {
    expect(loadOf(result, expected)).toEqual({
      ...{ requests: 1000, seconds: 2, bytes: 4_300_000, errors: 0, errorText: '' },
      latency: { p50Ms: 1.5, p99Ms: 2.5, p999Ms: 3.5 },
      loadCpuSeconds: 1,
    });
  });

  test.each([
    ['failed reads', { read: 2 }, 'read 2'],
    ['404 where files were asked for', { status: 100 }, 'status 100'],
    ['200 where nothing should be', { expectedFailures: 100 }, 'status 100'],
    ['no answers', { requests: 0, bytes: 0, expectedBytes: 0 }, 'nothing came 1'],
    ['bytes missing', { bytes: 4_000_000 }, 'answers too short 1'],
    ['whole files instead of 304', { expectedBytes: 0 }, 'answers too long 1'],
  ])('with %s', (_title, difference, text) => {
    expect(loadOf({ ...result, ...difference }, expected).errorText).toBe(text);
  });

  test('what was under way in the end is no error', () => {
    expect(loadOf({ ...result, expectedFailures: 10 }, expected).errors).toBe(0);
  });

  test('404 that end with their connection are answers', () => {
    const closing = { ...result, status: 500, read: 500, expectedFailures: 501 };
    expect(loadOf(closing, { ...expected, framesErrors: false }).errors).toBe(0);
    expect(loadOf({ ...closing, read: 503 }, { ...expected, framesErrors: false }).errors).toBe(3);
  });
});

describe("autocannon's result", () => {
  const result = {
    ...{ duration: 2, errors: 0, timeouts: 0, latency: { p50: 1, p99: 2, p99_9: 3 } },
    ...{ requests: { total: 100 }, throughput: { total: 5000 } },
    statusCodeStats: { 200: { count: 90 }, 404: { count: 10 } },
  };

  test('without errors', () => {
    expect(cannonLoad(result, { 200: 95, 404: 11 }, 10)).toMatchObject({
      ...{ requests: 100, seconds: 2, bytes: 5000, errors: 0, errorText: '' },
      latency: { p50Ms: 1, p99Ms: 2, p999Ms: 3 },
    });
  });

  test.each([
    ['a status that none should have', {}, { 200: 90 }, 'status 10'],
    ['too many 404', {}, { 200: 100, 404: 0 }, 'status 10'],
    ['timeouts', { errors: 3, timeouts: 2 }, { 200: 90, 404: 10 }, 'connection 1, timeout 2'],
    ['no answers', { statusCodeStats: {} }, { 200: 64 }, 'nothing came 1'],
  ])('with %s', (_title, difference, wanted, text) => {
    expect(cannonLoad({ ...result, ...difference }, wanted, 5).errorText).toBe(text);
  });
});
