/** Samples of the bench, for tests. */
import type { Sample } from '../../bench/sample.js';

/** One second, 100 requests, a CPU second; but for what is given. */
export function sampleOf(given: Partial<Sample>): Sample {
  return {
    requests: 100,
    seconds: 1,
    bytes: 409_600,
    errors: 0,
    errorText: '',
    latency: { p50Ms: 1, p99Ms: 2, p999Ms: 3 },
    loadCpuSeconds: 0.5,
    serverCpuSeconds: 1,
    brickCpuSeconds: 0,
    idleShare: 0.5,
    otherCpuSeconds: 0,
    peakMemoryBytes: 1024 ** 2,
    idleConnectionBytes: null,
    ...given,
  };
}
