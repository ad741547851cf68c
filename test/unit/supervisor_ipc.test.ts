import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  type FromWorker,
  joinSupervisor,
  readFromWorker,
  readToWorker,
  type ToWorker,
  type WorkerStatus,
} from '../../src/ipc.js';
import { http, sample } from '../../src/observe/metrics.js';
import { testConfig } from '../support/supervised.js';

const body: WorkerStatus = {
  number: 1,
  pid: 2,
  uptimeMs: 3,
  requests: { total: 4, active: 0 },
  connections: 5,
  logLinesLost: 6,
  volumes: [
    {
      name: 'a',
      state: 'down',
      server: null,
      since: 0,
      native: { busy: 1 },
      bricks: [{ text: 'h:/b', connected: false }],
    },
  ],
  memory: { rss: 1, heapUsed: 1, external: 1, blockBytes: 2 },
};

const toWorker: ToWorker[] = [
  { type: 'start', number: 1, config: testConfig(), graceMs: 700 },
  { type: 'drain', timeoutMs: 0 },
  { type: 'retire', timeoutMs: 1 },
  { type: 'reopen' },
  { type: 'socket', key: 'tcp::80' },
  { type: 'status', id: 1 },
  { type: 'measure' },
];
const fromWorker: FromWorker[] = [
  { type: 'hello' },
  { type: 'worn', ended: 4 },
  { type: 'listening', listeners: ['http://[::1]:80', 'unix:/s'] },
  { type: 'ready' },
  { type: 'socket', key: 'unix:/s' },
  { type: 'failed', code: 'GFS_LISTEN', message: 'why' },
  { type: 'status', id: 1, body },
  { type: 'metrics', asked: true, samples: [sample(http.active, [], 1)] },
  { type: 'metrics', asked: false, samples: [] },
  { type: 'drained', finished: 1, cut: 0 },
];

test.each(toWorker)('$type arrives at the worker as it was sent', (message) => {
  expect(readToWorker(JSON.parse(JSON.stringify(message)))).toEqual(message);
});

test.each(fromWorker)('$type arrives at the supervisor as it was sent', (message) => {
  expect(readFromWorker(JSON.parse(JSON.stringify(message)))).toEqual(message);
});

test('a configuration that arrives is frozen to the bottom', () => {
  const read = readToWorker(JSON.parse(JSON.stringify(toWorker[0])));
  const config = read?.type === 'start' ? read.config : null;
  expect(Object.isFrozen(config?.volumes[0]?.servers[0])).toBe(true);
});

test('a message that lacks a field, or has a wrong one, is none', () => {
  const broken = (message: object): object[] =>
    Object.keys(message).flatMap((key) => [
      { ...message, [key]: undefined },
      { ...message, [key]: {} },
    ]);
  for (const each of toWorker.flatMap(broken)) expect(readToWorker(each)).toBeNull();
  for (const each of fromWorker.flatMap(broken)) expect(readFromWorker(each)).toBeNull();
  const { connections, logLinesLost, ...without } = body;
  for (const each of broken(without)) {
    expect(readFromWorker({ type: 'status', id: 1, body: each })).toBeNull();
  }
  expect(readFromWorker({ type: 'status', id: 1, body: without })).not.toBeNull();
  expect([connections, logLinesLost]).toEqual([5, 6]);
});

test.each<[string, unknown]>([
  ['no list', {}],
  ['a metric that is not ours', [{ name: 'x', labels: [], value: 1 }]],
  ['one that is none among others', [sample(http.active, [], 1), null]],
])('figures with %s are no message', (_, samples) => {
  expect(readFromWorker({ type: 'metrics', asked: true, samples })).toBeNull();
});

test('nothing that can come over the channel makes it throw', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(readToWorker(value)).toBeNull();
      const read = readFromWorker(value);
      expect(read === null || read.type === 'hello' || read.type === 'ready').toBe(true);
    }),
  );
});

test('a worker that nobody supervises is told so', () => {
  expect(() => joinSupervisor({ message() {}, orphaned() {} })).toThrow(/by hand/);
});
