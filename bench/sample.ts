/** One peer in one round: what was measured, and the figures that follow from it. */
import type { Load } from './load/load.js';

export interface Sample extends Load {
  /** CPU time of the peer's processes, helpers included, in seconds. */
  readonly serverCpuSeconds: number;
  /** CPU time of the volume's bricks, in seconds. */
  readonly brickCpuSeconds: number;
  /** Share of the machine's processors' time with nothing to do, 0 to 1. */
  readonly idleShare: number;
  /** CPU time of everything else on the machine, in seconds: noise. */
  readonly otherCpuSeconds: number;
  /** Of the peer's processes together. */
  readonly peakMemoryBytes: number;
  /** What each idle connection beside the load took of the peer's memory; null where there were none. */
  readonly idleConnectionBytes: number | null;
}

/** A figure that is derived from a sample. */
export interface Metric {
  readonly title: string;
  readonly digits: number;
  of(sample: Sample): number;
}

/** What some work took of the processors. */
export interface CostMetric extends Metric {
  /** Of what work. */
  readonly per: string;
  /** Its unit, in seconds. */
  readonly unitSeconds: number;
}

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

const perRequest = (seconds: number, { requests }: Sample): number => (seconds * 1e6) / requests;
const perGiB = (seconds: number, { bytes }: Sample): number => seconds / (bytes / GIB);

const metric = (title: string, digits: number, of: Metric['of']): Metric => ({ title, digits, of });

export const requestRate = metric('requests/s', 0, (s) => s.requests / s.seconds);
/** In millions of bytes. */
export const throughput = metric('MB/s', 0, (s) => s.bytes / 1e6 / s.seconds);
/** Of the server's processes, in microseconds. */
export const cpuPerRequest: CostMetric = {
  ...metric('CPU µs/req', 1, (s) => perRequest(s.serverCpuSeconds, s)),
  ...{ per: 'request', unitSeconds: 1e-6 },
};
/** Of the server's processes, in seconds. */
export const cpuPerGiB: CostMetric = {
  ...metric('CPU s/GiB', 2, (s) => perGiB(s.serverCpuSeconds, s)),
  ...{ per: 'GiB', unitSeconds: 1 },
};

const memory = metric('peak MiB', 0, (s) => s.peakMemoryBytes / MIB);
const idle = metric('idle %', 0, (s) => s.idleShare * 100);
const none = Number.NaN;

/** What a scenario's table shows. */
export interface Metrics {
  /** How fast: more is better. */
  readonly speed: Metric;
  /** The processor time it took: less is better. */
  readonly cost: CostMetric;
  readonly others: readonly Metric[];
}

/** For scenarios with many requests. */
export const REQUEST_METRICS: Metrics = {
  speed: requestRate,
  cost: cpuPerRequest,
  others: [
    metric('bricks µs/req', 0, (s) => perRequest(s.brickCpuSeconds, s)),
    metric('p50 ms', 2, (s) => s.latency?.p50Ms ?? none),
    metric('p99 ms', 1, (s) => s.latency?.p99Ms ?? none),
    metric('p99.9 ms', 1, (s) => s.latency?.p999Ms ?? none),
    memory,
    metric('load µs/req', 0, (s) => perRequest(s.loadCpuSeconds, s)),
    idle,
  ],
};

/** For scenarios with idle connections beside the requests. */
export const IDLE_METRICS: Metrics = {
  ...REQUEST_METRICS,
  others: [
    metric('KiB/connection', 1, (s) => (s.idleConnectionBytes ?? none) / 1024),
    ...REQUEST_METRICS.others,
  ],
};

/** For scenarios with much to send. */
export const TRANSFER_METRICS: Metrics = {
  speed: throughput,
  cost: cpuPerGiB,
  others: [
    metric('bricks s/GiB', 2, (s) => perGiB(s.brickCpuSeconds, s)),
    memory,
    metric('load s/GiB', 2, (s) => perGiB(s.loadCpuSeconds, s)),
    idle,
  ],
};
