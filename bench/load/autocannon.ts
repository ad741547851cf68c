/**
 * Many connections, by autocannon, where there is no wrk. It takes several times the processor time, and what closes its
 * connections, as uWSGI does, it can't measure: it writes the next request into the old one.
 */
import autocannon, { type Result } from 'autocannon';
import { Random } from '../../test/soak/random.js';
import { errorText, type Load, type Shots, type Timing } from './load.js';
import { Picker } from './weights.js';

/** @param wanted how many requests were made for each status */
export function loadOf(
  result: Result,
  wanted: Readonly<Record<string, number>>,
  inFlight: number,
): Load {
  const { errors, timeouts, latency, throughput, statusCodeStats } = result;
  const came = (status: string): number => statusCodeStats[status]?.count ?? 0;
  const all = [...new Set([...Object.keys(wanted), ...Object.keys(statusCodeStats)])];
  // What was wanted and what came differ by what was under way at the end.
  const wrong = all.reduce((sum, status) => {
    const tooMany = came(status) - (wanted[status] ?? 0);
    return sum + (tooMany > inFlight || !Object.hasOwn(wanted, status) ? tooMany : 0);
  }, 0);
  const answers = all.reduce((sum, status) => sum + came(status), 0);
  const nothing = answers === 0 ? 1 : 0;
  const counts = {
    ...{ connection: errors - timeouts, timeout: timeouts, status: wrong },
    'nothing came': nothing,
  };
  return {
    requests: answers - wrong,
    seconds: result.duration,
    bytes: throughput.total,
    errors: errors + wrong + nothing,
    errorText: errorText(counts),
    latency: { p50Ms: latency.p50, p99Ms: latency.p99, p999Ms: latency.p99_9 },
    loadCpuSeconds: 0,
  };
}

export async function runAutocannon(shots: Shots, { seconds, seed }: Timing): Promise<Load> {
  const { port, connections } = shots;
  const picker = new Picker(shots.requests);
  const random = new Random(seed);
  const wanted: Record<string, number> = {};
  const cpu = process.cpuUsage();
  const result = await autocannon({
    url: `http://127.0.0.1:${port}`,
    connections,
    duration: seconds,
    timeout: 10,
    requests: [
      {
        setupRequest: (request) => {
          const { path, headers, status } = picker.pick(random.next());
          wanted[status] = (wanted[status] ?? 0) + 1;
          return { ...request, method: 'GET', path, headers };
        },
      },
    ],
  });
  const { user, system } = process.cpuUsage(cpu);
  // Each connection has one request under way, and has prepared another one.
  return { ...loadOf(result, wanted, 2 * connections), loadCpuSeconds: (user + system) / 1e6 };
}
