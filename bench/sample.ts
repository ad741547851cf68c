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
}

/** A figure that is derived from a sample. */
export interface Metric {
  readonly title: string;
  readonly digits: number;
  /** Whether more is better; null where neither is, or where it says nothing about the peer. */
  readonly better: 'more' | 'less' | null;
  of(sample: Sample): number;
}

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

const perRequest = (seconds: number, { requests }: Sample): number => (seconds * 1e6) / requests;
const perGiB = (seconds: number, { bytes }: Sample): number => seconds / (bytes / GIB);

const metric = (
  title: string,
  digits: number,
  better: Metric['better'],
  of: Metric['of'],
): Metric => ({ title, digits, better, of });

export const requestRate = metric('requests/s', 0, 'more', (s) => s.requests / s.seconds);
/** In millions of bytes. */
export const throughput = metric('MB/s', 0, 'more', (s) => s.bytes / 1e6 / s.seconds);

const p50 = metric('p50 ms', 1, 'less', (s) => s.latency?.p50Ms ?? Number.NaN);
const p99 = metric('p99 ms', 1, 'less', (s) => s.latency?.p99Ms ?? Number.NaN);
const memory = metric('peak MiB', 0, 'less', (s) => s.peakMemoryBytes / MIB);
const idle = metric('idle %', 0, null, (s) => s.idleShare * 100);

/** For scenarios with many requests. */
export const REQUEST_METRICS: readonly Metric[] = [
  requestRate,
  p50,
  p99,
  metric('CPU µs/req', 0, 'less', (s) => perRequest(s.serverCpuSeconds, s)),
  metric('bricks µs/req', 0, 'less', (s) => perRequest(s.brickCpuSeconds, s)),
  memory,
  metric('load µs/req', 0, null, (s) => perRequest(s.loadCpuSeconds, s)),
  idle,
];

/** For scenarios with much to send. */
export const TRANSFER_METRICS: readonly Metric[] = [
  throughput,
  metric('CPU s/GiB', 2, 'less', (s) => perGiB(s.serverCpuSeconds, s)),
  metric('bricks s/GiB', 2, 'less', (s) => perGiB(s.brickCpuSeconds, s)),
  memory,
  metric('load s/GiB', 2, null, (s) => perGiB(s.loadCpuSeconds, s)),
  idle,
];
