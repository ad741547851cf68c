/** Runs scenarios: all peers in each round, one after the other, so that a noisy neighbour meets all of them. */
import type { Load, Work } from './load/load.js';
import { machineTime } from './machine.js';
import type { Peer } from './peers/peer.js';
import type { Sample } from './sample.js';
import { cpuSeconds, peakMemory, resetPeakMemory } from './usage.js';

const TICKS_PER_SECOND = 100;
const LONGEST_WARM_UP_SECONDS = 5;
/** Between two runs, so that what one leaves behind (closing sockets, flushes) isn't in the next. */
const PAUSE_MS = 300;

export interface RoundsOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly peers: ReadonlyMap<string, Peer>;
  /** The bricks' processes. */
  readonly brickPids: readonly number[];
  /** Makes a round's work. */
  work(seconds: number, seed: number): Work;
  /** Called after each run; round 0 is the one that warms up and doesn't count. */
  onSample(peer: string, round: number, sample: Sample): void;
}

/** The samples of each peer, one for each round that counts. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

/** One peer's run, with what it cost. */
async function measure(peer: Peer, work: Work, brickPids: readonly number[]): Promise<Sample> {
  const pids = await peer.pids();
  await resetPeakMemory(pids);
  const before = await readMeters(pids, brickPids);
  const load: Load = await peer.run(work);
  const after = await readMeters(pids, brickPids);
  const serverCpuSeconds = after.server - before.server;
  const brickCpuSeconds = after.bricks - before.bricks;
  const total = after.machine.total - before.machine.total;
  const idle = after.machine.idle - before.machine.idle;
  const busy = (total - idle) / TICKS_PER_SECOND;
  const known = serverCpuSeconds + brickCpuSeconds + load.loadCpuSeconds;
  return {
    ...load,
    serverCpuSeconds,
    brickCpuSeconds,
    idleShare: idle / total,
    otherCpuSeconds: Math.max(0, busy - known),
    peakMemoryBytes: await peakMemory(pids),
  };
}

async function readMeters(pids: readonly number[], brickPids: readonly number[]) {
  const [server, bricks, machine] = await Promise.all([
    cpuSeconds(pids),
    cpuSeconds(brickPids),
    machineTime(),
  ]);
  return { server, bricks, machine };
}

/** The peers in another order each round: none always follows the same one. */
function rotated<T>(items: readonly T[], by: number): T[] {
  const at = by % Math.max(1, items.length);
  return [...items.slice(at), ...items.slice(0, at)];
}

export async function runRounds(options: RoundsOptions): Promise<Samples> {
  const { peers, rounds, seconds, brickPids } = options;
  const samples = new Map<string, Sample[]>([...peers.keys()].map((name) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    const length = round === 0 ? Math.min(seconds, LONGEST_WARM_UP_SECONDS) : seconds;
    for (const [name, peer] of rotated([...peers], round)) {
      const sample = await measure(peer, options.work(length, round + 1), brickPids);
      if (round > 0) samples.get(name)?.push(sample);
      options.onSample(name, round, sample);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
  return samples;
}
