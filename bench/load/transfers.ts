/**
 * Large answers, by plain sockets. wrk reads 8 KiB at a time: for 1 MiB that took 0.9 ms of a processor, more than it
 * took nginx to send it; this takes 0.3 to 0.4 ms.
 */
import { Random } from '../../test/soak/random.js';
import { delay } from '../../test/support/cluster/exec.js';
import { quantile } from '../statistics.js';
import { errorText, type Load, type Shots, type Timing } from './load.js';
import { Reader } from './reader.js';
import { Picker } from './weights.js';

/** After so many problems a connection is not opened again. */
const PATIENCE = 3;

/** What is under way when the time has passed is cut off: its bytes count, and it is no request. */
export async function runTransfers(shots: Shots, { seconds, seed }: Timing): Promise<Load> {
  const { port, requests, connections } = shots;
  const picker = new Picker(requests);
  const random = new Random(seed);
  const next = () => picker.pick(random.next());
  const times: number[] = [];
  const problems: Record<string, number> = {};
  const readers = new Map<number, Reader>();
  let [bytes, errors] = [0, 0];
  const open = (index: number): void => {
    const reader = new Reader(port, next(), {
      bytes: (count) => {
        bytes += count;
      },
      answer: (ms) => {
        times.push(ms);
        return next();
      },
      problem: (text) => {
        errors += 1;
        problems[text] = (problems[text] ?? 0) + 1;
        if (errors < PATIENCE) open(index);
      },
    });
    readers.set(index, reader);
  };
  const cpu = process.cpuUsage();
  const start = performance.now();
  for (let index = 0; index < connections; index++) open(index);
  await delay(seconds * 1000);
  const took = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  for (const reader of readers.values()) reader.close();
  if (bytes === 0) problems['nothing came'] = 1;
  const [p50Ms = 0, p99Ms = 0, p999Ms = 0] = [0.5, 0.99, 0.999].map((q) => quantile(times, q));
  return {
    requests: times.length,
    seconds: took,
    bytes,
    errors: Object.values(problems).reduce((sum, count) => sum + count, 0),
    errorText: errorText(problems),
    latency: times.length === 0 ? null : { p50Ms, p99Ms, p999Ms },
    loadCpuSeconds: (user + system) / 1e6,
  };
}
