/** Many connections, by wrk. */
import { run } from '../../test/support/cluster/exec.js';
import { OWN } from '../programs.js';
import { sourceFile } from '../source.js';
import { errorText, type Load, type Shots, type Timing } from './load.js';

export interface WrkResult {
  readonly requests: number;
  readonly microseconds: number;
  readonly bytes: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly cpu: number;
  readonly connect: number;
  readonly read: number;
  readonly write: number;
  /** Answers with a status above 399. */
  readonly status: number;
  readonly timeout: number;
  /** Bytes of the bodies that all requests made were to bring. */
  readonly expectedBytes: number;
  /** Requests made that were to be answered with a status above 399. */
  readonly expectedFailures: number;
}

/** No head, and no page that says 404, is longer. */
const LARGEST_HEAD = 2048;

export interface Expected {
  /** Requests that may have been made without their answers being counted. */
  readonly inFlight: number;
  /** Bytes of the largest answer. */
  readonly largest: number;
  /** An answer that ends with its connection is counted, and as a failed read too. */
  readonly framesErrors: boolean;
}

/**
 * wrk doesn't look at single answers: each kind of them was checked before. What is checked here is that not more of
 * them failed than were to fail, and that they came to as many bytes as they should.
 */
export function loadOf(result: WrkResult, expected: Expected): Load {
  const { inFlight, largest, framesErrors } = expected;
  const { requests, bytes, status, expectedBytes, expectedFailures } = result;
  const differing = Math.abs(status - expectedFailures);
  const tooFew = bytes < expectedBytes - inFlight * largest;
  const tooMany = bytes > expectedBytes + (requests + inFlight) * LARGEST_HEAD;
  const counts = {
    connect: result.connect,
    read: framesErrors ? result.read : Math.max(0, result.read - status),
    write: result.write,
    status: differing > inFlight ? differing : 0,
    timeout: result.timeout,
    'nothing came': requests === 0 ? 1 : 0,
    'answers too short': tooFew ? 1 : 0,
    'answers too long': tooMany ? 1 : 0,
  };
  return {
    requests: requests - counts.status,
    seconds: result.microseconds / 1e6,
    bytes,
    errors: Object.values(counts).reduce((sum, count) => sum + count, 0),
    errorText: errorText(counts),
    latency: {
      p50Ms: result.p50 / 1000,
      p99Ms: result.p99 / 1000,
      p999Ms: result.p999 / 1000,
    },
    loadCpuSeconds: result.cpu,
  };
}

/** @throws CommandError when wrk can't be run */
export async function runWrk(shots: Shots, { seconds, seed }: Timing): Promise<Load> {
  const { port, requests, planFile, connections, framesErrors } = shots;
  const command = [
    ...OWN,
    'wrk',
    '--threads=1',
    `--connections=${connections}`,
    `--duration=${seconds}s`,
    '--timeout=10s',
    `--script=${sourceFile('bench/load/plan.lua')}`,
    `http://127.0.0.1:${port}`,
    ...['--', planFile, String(seed)],
  ];
  const output = await run(command, (seconds + 60) * 1000);
  const json = /^RESULT (.*)$/m.exec(output)?.[1];
  if (json === undefined) throw new Error(`wrk printed no result:\n${output}`);
  const largest = requests.reduce((most, { size }) => Math.max(most, size), 0);
  // One more than its connections: wrk makes a request for itself before it starts.
  const inFlight = connections + 1;
  return loadOf(JSON.parse(json) as WrkResult, { inFlight, largest, framesErrors });
}
