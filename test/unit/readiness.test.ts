/** What /readyz says. */
import { expect, test } from '@jest/globals';
import type { WorkerFigures, WorkerPhase } from '../../src/observe/ledger.js';
import { sample, volumes } from '../../src/observe/metrics.js';
import { readiness } from '../../src/readiness.js';

/** `states`: `name state`; the state that a volume is in has 1, another has 0. */
function worker(
  number: number,
  states: readonly string[],
  phase: WorkerPhase = 'ready',
  ageMs = 100,
): WorkerFigures {
  const samples = states.flatMap((text) => {
    const [name = '', state = ''] = text.split(' ');
    return ['connecting', 'healthy', 'degraded', 'down'].map((each) =>
      sample(volumes.state, [name, each], each === state ? 1 : 0),
    );
  });
  return { number, pid: number, phase, samples, ageMs };
}

const both = [
  { name: 'a', required: true },
  { name: 'b', required: false },
];

test.each<[string, readonly WorkerFigures[], string]>([
  ['all is well', [worker(1, ['a healthy', 'b healthy'])], 'ready'],
  ['a degraded volume answers', [worker(1, ['a degraded', 'b healthy'])], 'ready'],
  ['b is not required', [worker(1, ['a healthy', 'b down'])], 'ready'],
  ['no worker yet', [], 'no worker is ready'],
  ['all are starting', [worker(1, ['a healthy'], 'starting')], 'no worker is ready'],
  ['all are leaving', [worker(1, ['a healthy'], 'draining')], 'no worker is ready'],
  ['a is down', [worker(1, ['a down', 'b healthy'])], 'volume a: down in worker 1'],
  ['a is not there yet', [worker(1, ['a connecting'])], 'volume a: connecting in worker 1'],
  ['a is closed', [worker(1, ['a closed'])], 'volume a: not reported in worker 1'],
  ['nothing is known', [worker(1, [])], 'volume a: not reported in worker 1'],
  [
    'in one of three',
    [worker(1, ['a healthy']), worker(2, ['a down']), worker(3, ['a connecting'])],
    'volume a: down in worker 2, connecting in worker 3',
  ],
  [
    'one that is starting does not count',
    [worker(1, ['a healthy']), worker(2, ['a connecting'], 'starting')],
    'ready',
  ],
  [
    'one that is leaving does not count',
    [worker(1, ['a healthy']), worker(1, ['a down'], 'draining')],
    'ready',
  ],
  ['silent for a moment', [worker(1, ['a healthy'], 'ready', 5000)], 'ready'],
  [
    'silent for longer',
    [worker(1, ['a healthy'], 'ready', 7400), worker(2, ['a down'])],
    'worker 1 has been silent for 7 s\nvolume a: down in worker 2',
  ],
])('%s', (_, workers, text) => {
  expect(readiness(both, workers)).toEqual({ ready: text === 'ready', text });
});

test('every volume that is required counts', () => {
  const all = ['a', 'b', 'c'].map((name) => ({ name, required: true }));
  expect(readiness(all, [worker(1, ['a down', 'b healthy', 'c connecting'])])).toEqual({
    ready: false,
    text: 'volume a: down in worker 1\nvolume c: connecting in worker 1',
  });
  const none = all.map(({ name }) => ({ name, required: false }));
  expect(readiness(none, [worker(1, ['a down'])])).toEqual({ ready: true, text: 'ready' });
});
