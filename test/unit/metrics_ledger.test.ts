/** Figures of workers that come and go. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Histogram } from '../../src/observe/histogram.js';
import { Ledger } from '../../src/observe/ledger.js';
import {
  http,
  type Metric,
  type Sample,
  sample,
  volumes,
  workers,
} from '../../src/observe/metrics.js';

let nowMs = 0;
const create = (): Ledger => new Ledger(() => nowMs);

const requests = (count: number): Sample => sample(http.requests, ['m', 'GET', '200'], count);
const connections = (count: number): Sample => sample(http.connections, [], count);

function histogram(...ms: number[]): Sample {
  const times = new Histogram();
  for (const each of ms) times.observe(each);
  return sample(http.duration, ['m'], times.cells());
}

/** The value of a series; undefined: there is none. */
function value(ledger: Ledger, { name }: Metric, ...labels: string[]): Sample['value'] | undefined {
  return ledger.samples().find((each) => each.name === name && each.labels.join() === labels.join())
    ?.value;
}

const total = (ledger: Ledger) => value(ledger, http.requests, 'm', 'GET', '200');

describe('several workers', () => {
  test.each<[string, Metric, readonly string[], readonly number[], number]>([
    ['counters are added', http.requests, ['m', 'GET', '200'], [3, 4, 5], 12],
    ['gauges are added', http.connections, [], [3, 0, 5], 8],
    ['a brick is up where all have it', volumes.brickUp, ['v', 'h:/b'], [1, 0, 1], 0],
    ['a brick that all have', volumes.brickUp, ['v', 'h:/b'], [1, 1, 1], 1],
    ['the longest lag counts', workers.loopLag, ['1'], [0.1, 0.3, 0.2], 0.3],
  ])('%s', (_, metric, labels, values, expected) => {
    const ledger = create();
    for (const [id, each] of values.entries()) {
      ledger.born(id, 1, null);
      ledger.heard(id, [{ name: metric.name, labels, value: each }], false);
    }
    expect(value(ledger, metric, ...labels)).toBe(expected);
  });

  test('histograms are added cell by cell', () => {
    const ledger = create();
    ledger.born(1, 1, null);
    ledger.born(2, 2, null);
    ledger.heard(1, [histogram(1, 1, 50)], false);
    ledger.heard(2, [histogram(1, 400_000)], false);
    expect(value(ledger, http.duration, 'm')).toEqual(histogram(1, 1, 1, 50, 400_000).value);
  });

  test('series of other labels stay apart', () => {
    const ledger = create();
    ledger.born(1, 1, null);
    ledger.heard(1, [requests(1), sample(http.requests, ['m', 'GET', '404'], 2)], false);
    expect([total(ledger), value(ledger, http.requests, 'm', 'GET', '404')]).toEqual([1, 2]);
  });
});

describe('a worker that dies', () => {
  test('leaves its counters and histograms, not its gauges', () => {
    const ledger = create();
    ledger.born(1, 1, null);
    ledger.heard(1, [requests(5), connections(2), histogram(1)], false);
    ledger.died(1);
    expect(total(ledger)).toBe(5);
    expect(value(ledger, http.duration, 'm')).toEqual(histogram(1).value);
    expect(value(ledger, http.connections)).toBeUndefined();
  });

  test('its successor begins at 0, and nothing goes down', () => {
    const ledger = create();
    ledger.born(1, 1, null);
    ledger.heard(1, [requests(5), histogram(1)], false);
    ledger.died(1);
    ledger.restarted(1);
    ledger.born(2, 1, null);
    expect(total(ledger)).toBe(5);
    ledger.heard(2, [requests(0)], false);
    expect(total(ledger)).toBe(5);
    ledger.heard(2, [requests(3), histogram(2)], false);
    expect(total(ledger)).toBe(8);
    ledger.died(2);
    expect(total(ledger)).toBe(8);
    expect(value(ledger, http.duration, 'm')).toEqual(histogram(1, 2).value);
    expect(value(ledger, workers.restarts, '1')).toBe(1);
  });

  test('counts once, whatever is said of it afterwards', () => {
    const ledger = create();
    ledger.born(1, 1, null);
    ledger.heard(1, [requests(5)], false);
    ledger.died(1);
    ledger.died(1);
    ledger.heard(1, [requests(9)], true);
    ledger.entered(1, 'ready');
    expect(total(ledger)).toBe(5);
    expect(ledger.workers).toEqual([]);
  });

  test('two with one number, as in a change of generations, are two', () => {
    const ledger = create();
    ledger.born(1, 1, null);
    ledger.born(2, 1, null);
    ledger.heard(1, [requests(5)], false);
    ledger.heard(2, [requests(1)], false);
    expect(total(ledger)).toBe(6);
    ledger.died(1);
    ledger.heard(2, [requests(2)], false);
    expect(total(ledger)).toBe(7);
  });

  test('no order of births, reports and deaths makes a counter go down', () => {
    const step = fc.record({
      place: fc.integer({ min: 1, max: 3 }),
      what: fc.constantFrom('report', 'die'),
      more: fc.nat(100),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const ledger = create();
        const lives = new Map<number, { id: number; count: number }>();
        let next = 1;
        let counted = 0;
        let before = 0;
        for (const { place, what, more } of steps) {
          let life = lives.get(place);
          if (!life) {
            life = { id: next++, count: 0 };
            lives.set(place, life);
            ledger.born(life.id, place, null);
          }
          if (what === 'report') {
            life.count += more;
            counted += more;
            ledger.heard(life.id, [requests(life.count)], false);
          } else {
            ledger.died(life.id);
            lives.delete(place);
          }
          const after = Number(total(ledger) ?? 0);
          expect(after).toBe(counted);
          expect(after).toBeGreaterThanOrEqual(before);
          before = after;
        }
      }),
    );
  });
});

describe('what is known of workers here', () => {
  test('restarts begin at 0; phases are counted', () => {
    const ledger = create();
    ledger.born(1, 1, 11);
    ledger.born(2, 2, 12);
    ledger.entered(1, 'ready');
    expect(value(ledger, workers.restarts, '1')).toBe(0);
    expect(
      ['starting', 'ready', 'draining'].map((phase) => value(ledger, workers.workers, phase)),
    ).toEqual([1, 1, 0]);
  });

  test('they come in the order of their numbers', () => {
    const ledger = create();
    for (const [id, number] of [2, 3, 1].entries()) ledger.born(id, number, null);
    expect(ledger.workers.map(({ number }) => number)).toEqual([1, 2, 3]);
  });

  test('how old the figures are', () => {
    nowMs = 1000;
    const ledger = create();
    ledger.born(1, 1, 11);
    nowMs = 2000;
    ledger.heard(1, [], false);
    nowMs = 4500;
    expect(value(ledger, workers.silence, '1')).toBe(2.5);
    expect(ledger.workers).toMatchObject([{ number: 1, pid: 11, ageMs: 2500 }]);
  });
});

describe('another gfserve, whose place this one takes', () => {
  test('is added as it reports; its counters stay when it has ended, its gauges go', () => {
    const ledger = create();
    ledger.born(1, 1, null);
    ledger.heard(1, [requests(3), connections(1), histogram(5)], false);
    ledger.formerHeard([requests(40), connections(7), histogram(5, 5)]);
    ledger.formerHeard([requests(50), connections(2), histogram(5, 5, 5)]);
    expect(total(ledger)).toBe(53);
    expect(value(ledger, http.connections)).toBe(3);
    ledger.formerEnded();
    ledger.formerEnded();
    expect(total(ledger)).toBe(53);
    expect(value(ledger, http.connections)).toBe(1);
    expect(value(ledger, http.duration, 'm')).toEqual(histogram(5, 5, 5, 5).value);
  });
});

describe('waiting for an answer', () => {
  const settled = async (promise: Promise<void>): Promise<boolean> => {
    let done = false;
    void promise.then(() => {
      done = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    return done;
  };

  test.each<[string, (ledger: Ledger) => void, boolean]>([
    ['an answer ends it', (ledger) => ledger.heard(1, [], true), true],
    ['a report that was not asked for does not', (ledger) => ledger.heard(1, [], false), false],
    ["another one's answer does not", (ledger) => ledger.heard(2, [], true), false],
    ['its death ends it', (ledger) => ledger.died(1), true],
  ])('%s', async (_, act, expected) => {
    const ledger = create();
    ledger.born(1, 1, null);
    ledger.born(2, 2, null);
    const answer = ledger.next(1, 10_000);
    act(ledger);
    expect(await settled(answer)).toBe(expected);
    ledger.died(1);
  });

  test('so does time, and one that is not there is not waited for', async () => {
    const ledger = create();
    ledger.born(1, 1, null);
    const start = performance.now();
    await ledger.next(1, 50);
    expect(performance.now() - start).toBeGreaterThanOrEqual(49);
    expect(await settled(ledger.next(7, 10_000))).toBe(true);
  });
});
