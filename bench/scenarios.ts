/** What is measured: one entry, one table. */
import { type Dataset, firstOf, type Part } from './dataset/parts.js';
import type { Goal } from './goals.js';
import type { Task } from './load/load.js';
import type { Plan } from './load/plan.js';
import { COLD_SUBJECT, SUBJECT } from './peers/index.js';
import type { Traits } from './peers/peer.js';
import { absentPlan, sitePlan, unchangedPlan, videoPlan, wholePlan } from './plans.js';
import type { Begin } from './rounds.js';
import {
  cpuPerRequest,
  IDLE_METRICS,
  type Metrics,
  REQUEST_METRICS,
  requestRate,
  TRANSFER_METRICS,
  throughput,
} from './sample.js';

export interface Scenario {
  readonly title: string;
  readonly metrics: Metrics;
  /** The gfserve that the other peers are compared with. */
  readonly subject: string;
  readonly goals: readonly Goal[];
  /** Which files it needs. */
  readonly parts: readonly Part[];
  /** Whether it makes sense with such a peer. */
  readonly takes: (traits: Traits) => boolean;
  readonly begin: Begin;
  /** How long a run lasts at most. */
  readonly mostSeconds: number;
  /** Too expensive to be run unless it is named. */
  readonly onlyWhenNamed: boolean;
  task(dataset: Dataset): Task;
}

const MANY = 64;
const IDLE = 10_000;
/** Afterwards the fast ones have met all of 10,000 files. */
const COLD_SECONDS = 2;

const atMost = (factor: number, peer: string): Goal => ({
  ...{ metric: cpuPerRequest, subject: SUBJECT, peer, bound: 'at most', factor },
});
const atLeast = (factor: number, peer: string, subject = SUBJECT, metric = requestRate): Goal => ({
  ...{ metric, subject, peer, bound: 'at least', factor },
});

const requests = (plan: Plan, connections: number): Task => ({
  ...{ kind: 'requests', plan, connections, idleConnections: 0 },
});
const transfers = (plan: Plan, connections: number): Task => ({
  ...requests(plan, connections),
  kind: 'transfers',
});

/** Of what any server has at hand. */
const hot = {
  metrics: REQUEST_METRICS,
  subject: SUBJECT,
  takes: ({ http }: Traits) => http,
  begin: 'as it is' as Begin,
  mostSeconds: Number.POSITIVE_INFINITY,
  onlyWhenNamed: false,
  goals: [],
};

/** Of what comes from the volume each time. */
const cold = { ...hot, subject: COLD_SUBJECT, takes: ({ caches }: Traits) => !caches };

/** One file again and again. */
const hotFile = (part: Part, title: string, goals: readonly Goal[]): Scenario => ({
  ...hot,
  title: `one file of ${title}, ${MANY} connections`,
  goals,
  parts: [part],
  task: (dataset) => requests(wholePlan(dataset, part), MANY),
});

/** Many files, each once before any comes again. */
const coldFiles = (part: Part, title: string, goals: readonly Goal[]): Scenario => ({
  ...cold,
  title: `files of 4 KiB out of ${title}, names known, contents from the volume; ${MANY} connections`,
  begin: 'forgotten',
  goals,
  parts: [part],
  task: (dataset) => requests(wholePlan(dataset, part), MANY),
});

const downloads = (connections: number, title: string, goals: readonly Goal[]): Scenario => ({
  ...cold,
  title: `one file of 256 MiB, ${title}`,
  metrics: TRANSFER_METRICS,
  goals,
  parts: ['large'],
  task: (dataset) => transfers(wholePlan(dataset, 'large'), connections),
});

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'hot-1k': hotFile('hot-1k', '1 KiB', []),
  'hot-4k': hotFile('hot-4k', '4 KiB', [atMost(0.8, 'nginx-local'), atLeast(1.1, 'nginx-local')]),
  'hot-64k': hotFile('hot-64k', '64 KiB', [atMost(0.9, 'nginx-local')]),
  // Before those that let nginx keep thousands of files open: both need descriptors.
  'idle-10k': {
    ...hot,
    title: `one file of 4 KiB, ${MANY} connections, beside 10,000 idle ones`,
    metrics: IDLE_METRICS,
    takes: ({ keepsConnections }) => keepsConnections,
    parts: ['hot-4k'],
    task: (dataset) => ({
      ...requests(wholePlan(dataset, 'hot-4k'), MANY),
      idleConnections: IDLE,
    }),
  },
  'cold-4k': {
    ...coldFiles('small', `10,000 within ${COLD_SECONDS} s at most`, [
      atLeast(6, 'uwsgi', COLD_SUBJECT),
      atLeast(6, 'nginx-fuse', COLD_SUBJECT),
      atLeast(0.6, 'limit', COLD_SUBJECT),
    ]),
    mostSeconds: COLD_SECONDS,
  },
  'new-4k': {
    ...coldFiles('small', '10,000', []),
    title: `the same with servers that have just been started; ${MANY} connections`,
    begin: 'new',
    mostSeconds: COLD_SECONDS,
  },
  'cold-4k-200k': { ...coldFiles('many', '200,000', []), onlyWhenNamed: true },
  '1m-x16': {
    ...hot,
    title: 'one file of 1 MiB, 16 connections',
    goals: [atLeast(1, 'nginx-local')],
    parts: ['big'],
    task: (dataset) => {
      const file = firstOf(dataset, 'big');
      return transfers({ name: '1m', requests: [{ kind: 'whole', file, weight: 1 }] }, 16);
    },
  },
  '256m-x1': downloads(1, 'one connection', [atLeast(0.65, 'limit', COLD_SUBJECT, throughput)]),
  '256m-x8': downloads(8, '8 connections', []),
  'video-ranges': {
    ...hot,
    title: 'ranges of 1 MiB of a file of 1 GiB, some of them popular, 16 connections',
    takes: ({ ranges }) => ranges,
    parts: ['video'],
    task: (dataset) => transfers(videoPlan(dataset), 16),
  },
  'not-found': {
    ...hot,
    title: `1,000 names that aren't there, ${MANY} connections`,
    parts: ['hot-4k'],
    task: () => requests(absentPlan('hot-4k'), MANY),
  },
  'not-modified': {
    ...hot,
    title: `304 for one file of 4 KiB by its ETag, ${MANY} connections`,
    takes: ({ ranges }) => ranges,
    goals: [atMost(0.9, 'nginx-local')],
    parts: ['hot-4k'],
    task: (dataset) => requests(unchangedPlan(dataset, 'hot-4k'), MANY),
  },
  mixed: {
    ...hot,
    title: `a site: 10,000 files of 4 KiB, 500 of 64 KiB, 8 of 1 MiB; 5 % 404, 10 % 304; ${MANY} connections`,
    parts: ['small', 'medium', 'big'],
    task: (dataset) => requests(sitePlan(dataset), MANY),
  },
};
