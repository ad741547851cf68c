/** What is measured: one entry, one table. */
import type { Dataset } from './dataset.js';
import { SMALL_SIZE } from './dataset.js';
import type { Work } from './load/load.js';
import {
  type Metric,
  REQUEST_METRICS,
  requestRate,
  TRANSFER_METRICS,
  throughput,
} from './sample.js';

/** What a scenario's work is made from. */
export interface WorkContext {
  readonly dataset: Dataset;
  /** A file with the small files' paths, one a line. */
  readonly smallPathsFile: string;
  readonly seconds: number;
  /** Differs from round to round, and is the same for all peers of one. */
  readonly seed: number;
}

/** gfserve's median of `metric` is to be at least `factor` times that of `peer`. */
export interface Goal {
  readonly metric: Metric;
  readonly peer: string;
  readonly factor: number;
}

export interface Scenario {
  readonly title: string;
  /** The first one is what the peers are compared by. */
  readonly metrics: readonly Metric[];
  readonly goals: readonly Goal[];
  work(context: WorkContext): Work;
}

const SMALL_CONNECTIONS = 64;

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'cold-4k': {
    title: `4 KiB files, any of 10,000 at random, ${SMALL_CONNECTIONS} connections, no cache of gfserve's own`,
    metrics: REQUEST_METRICS,
    goals: [{ metric: requestRate, peer: 'uwsgi', factor: 5 }],
    work: ({ smallPathsFile, seconds, seed }) => ({
      kind: 'files',
      pathsFile: smallPathsFile,
      size: SMALL_SIZE,
      connections: SMALL_CONNECTIONS,
      seconds,
      seed,
    }),
  },
  'large-256m': {
    title: 'one file of 256 MiB, one connection',
    metrics: TRANSFER_METRICS,
    goals: [{ metric: throughput, peer: 'uwsgi', factor: 8 }],
    work: ({ dataset: { large }, seconds }) => ({
      kind: 'download',
      path: large.path,
      size: large.size,
      seconds,
    }),
  },
};
