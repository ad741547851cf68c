/** Runs a scenario: all peers in each round, one after the other, so that a noisy neighbour meets all of them. */
import { join } from 'node:path';
import { IdleConnections } from './load/idle.js';
import type { Task, Timing } from './load/load.js';
import { machineTime } from './machine.js';
import type { Peer } from './peers/peer.js';
import type { Sample } from './sample.js';
import { cpuSeconds, peakMemory, resetPeakMemory, residentMemory } from './usage.js';

const TICKS_PER_SECOND = 100;
const LONGEST_WARM_UP_SECONDS = 5;
/** Between two runs, so that what one leaves behind (closing sockets, flushes) isn't in the next. */
const PAUSE_MS = 300;

/**
 * What the peers know when a run begins. `as it is`: what they have kept. `forgotten`: they have met all files, but the kernel
 * keeps no content for them. `new`: nothing, as they have been started for it.
 */
export type Begin = 'as it is' | 'forgotten' | 'new';

export interface RoundsOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly peers: ReadonlyMap<string, Peer>;
  /** The bricks' processes. */
  readonly brickPids: readonly number[];
  /** A folder for logs. */
  readonly workDir: string;
  readonly task: Task;
  readonly begin: Begin;
  /** Called after each run; round 0 is the one that warms up and doesn't count. */
  onSample(peer: string, round: number, sample: Sample): void;
}

/** The samples of each peer, one for each round that counts. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

async function readMeters(pids: readonly number[], brickPids: readonly number[]) {
  const [server, bricks, machine] = await Promise.all([
    cpuSeconds(pids),
    cpuSeconds(brickPids),
    machineTime(),
  ]);
  return { server, bricks, machine };
}

type Measured = Omit<Sample, 'idleConnectionBytes'>;

/** One peer's run, with what it cost. */
async function measure(peer: Peer, options: RoundsOptions, timing: Timing): Promise<Measured> {
  const { task, brickPids } = options;
  const pids = await peer.pids();
  await resetPeakMemory(pids);
  const before = await readMeters(pids, brickPids);
  const load = await peer.run(task, timing);
  const after = await readMeters(pids, brickPids);
  const total = after.machine.total - before.machine.total;
  const idle = after.machine.idle - before.machine.idle;
  const serverCpuSeconds = after.server - before.server;
  const brickCpuSeconds = after.bricks - before.bricks;
  const known = serverCpuSeconds + brickCpuSeconds + load.loadCpuSeconds;
  return {
    ...load,
    serverCpuSeconds,
    brickCpuSeconds,
    idleShare: idle / total,
    otherCpuSeconds: Math.max(0, (total - idle) / TICKS_PER_SECOND - known),
    peakMemoryBytes: await peakMemory(pids),
  };
}

/** The same beside idle connections. @param memoryBefore the peer's when it had none, in bytes */
async function measureBesideIdle(
  peer: Peer,
  options: RoundsOptions,
  timing: Timing,
  memoryBefore: number,
): Promise<Sample> {
  const { idleConnections } = options.task;
  if (idleConnections === 0 || peer.port === null) {
    return { ...(await measure(peer, options, timing)), idleConnectionBytes: null };
  }
  const logFile = join(options.workDir, 'idle.log');
  const held = await IdleConnections.open(peer.port, idleConnections, logFile);
  try {
    const memory = await residentMemory(await peer.pids());
    const cpuBefore = await held.cpuSeconds();
    const sample = await measure(peer, options, timing);
    const cpu = (await held.cpuSeconds()) - cpuBefore;
    const lost = await held.lost();
    return {
      ...sample,
      errors: sample.errors + lost,
      errorText: [sample.errorText, lost > 0 ? `idle connections lost ${lost}` : '']
        .filter((text) => text !== '')
        .join(', '),
      loadCpuSeconds: sample.loadCpuSeconds + cpu,
      otherCpuSeconds: Math.max(0, sample.otherCpuSeconds - cpu),
      idleConnectionBytes: (memory - memoryBefore) / idleConnections,
    };
  } finally {
    await held.close();
  }
}

async function prepare(peer: Peer, { begin, task }: RoundsOptions): Promise<void> {
  switch (begin) {
    case 'as it is':
      return;
    case 'forgotten':
      return await peer.forget(task);
    case 'new':
      return await peer.renew(task);
    default: {
      const impossible: never = begin;
      throw new Error(`unknown begin ${String(impossible)}`);
    }
  }
}

/** The peers in another order each round: none always follows the same one. */
export function rotated<T>(items: readonly T[], by: number): T[] {
  const at = by % Math.max(1, items.length);
  return [...items.slice(at), ...items.slice(0, at)];
}

export async function runRounds(options: RoundsOptions): Promise<Samples> {
  const { peers, rounds, seconds } = options;
  const samples = new Map<string, Sample[]>([...peers.keys()].map((name) => [name, []]));
  // Before the first idle connection: what has been used once stays in the servers' free lists.
  const memory = new Map<string, number>();
  for (const [name, peer] of peers) memory.set(name, await residentMemory(await peer.pids()));
  for (let round = 0; round <= rounds; round++) {
    const length = round === 0 ? Math.min(seconds, LONGEST_WARM_UP_SECONDS) : seconds;
    const timing = { seconds: length, seed: round + 1 };
    for (const [name, peer] of rotated([...peers], round)) {
      await prepare(peer, options);
      const before = memory.get(name) ?? 0;
      const sample = await measureBesideIdle(peer, options, timing, before);
      if (round > 0) samples.get(name)?.push(sample);
      options.onSample(name, round, sample);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
  return samples;
}
