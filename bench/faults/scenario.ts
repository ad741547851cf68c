/**
 * The only brick of volume B hangs (SIGSTOP: its connections stay, nothing answers) while volume A and the local disk
 * are as well as ever. Who else than B's visitors notices?
 */
import { createHash, randomFillSync } from 'node:crypto';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster } from '../../test/support/cluster/cluster.js';
import { delay, waitUntil } from '../../test/support/cluster/exec.js';
import type { Cleanup } from '../cleanup.js';
import type { DataFile } from '../dataset/parts.js';
import { type Answer, ask, openLoop, type Target } from './load.js';
import { FAULT_PEERS, type FaultGround, type FaultPeer, VOLUME_A, VOLUME_B } from './peers.js';
import { type Tally, tallyOf } from './tally.js';

export const FAULTS = 'faults';
export const FAULTS_TITLE =
  "one volume's only brick hangs; who else notices? Only when it is named";
export const DEFAULT_HUNG_SECONDS = 60;

const PREFIX = 'gfserve-bench-';
const FILES = 100;
const SIZE = 4096;
const BEFORE_SECONDS = 10;
const AFTER_SECONDS = 10;
/** Clients keep attributes for a second or so; and the first requests are to meet nothing that still starts. */
const WARM_UP_SECONDS = 3;
const READY_MS = 30_000;

export const PHASES = ['before', 'hung', 'after'] as const;
export type Phase = (typeof PHASES)[number];

/** What came of the requests sent in a phase, by target. */
export type PhaseTallies = Readonly<Record<string, Tally>>;

export interface FaultResult {
  readonly setup: string;
  readonly phases: Readonly<Record<Phase, PhaseTallies>>;
}

/** What a run has found. */
export interface FaultRecord {
  readonly hungSeconds: number;
  /** By the peers' names. */
  readonly peers: Readonly<Record<string, FaultResult>>;
}

export interface FaultOptions {
  readonly peers: readonly string[];
  readonly hungSeconds: number;
  readonly volumeOptions: Readonly<Record<string, string>>;
  readonly gfserveVolume: readonly string[];
}

type Log = (line: string) => void;

async function writeFiles(root: string): Promise<DataFile[]> {
  const files: DataFile[] = [];
  for (let index = 0; index < FILES; index++) {
    const path = `/${String(index).padStart(3, '0')}.bin`;
    const bytes = randomFillSync(Buffer.alloc(SIZE));
    await writeFile(join(root, path), bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    files.push({ path, size: SIZE, sha256, windows: [] });
  }
  return files;
}

interface Stage {
  readonly ground: FaultGround;
  readonly targets: readonly Target[];
}

async function setStage(options: FaultOptions, cleanup: Cleanup, log: Log): Promise<Stage> {
  for (const dir of await Cluster.cleanStale(PREFIX)) log(`cleaned what was left in ${dir}`);
  const dir = await realpath(await mkdtemp(join(tmpdir(), PREFIX)));
  cleanup.add('the folder', () => rm(dir, { recursive: true, force: true }));
  const cluster = await Cluster.up({ dir, nodes: 1, log });
  cleanup.add('the cluster', () => cluster.down());
  const targets: Target[] = [];
  for (const name of [VOLUME_A, VOLUME_B]) {
    await cluster.createVolume(name, { bricks: 1, options: { ...options.volumeOptions } });
    const files = await writeFiles(await cluster.mount(name));
    await cluster.unmount(name);
    targets.push({ name, prefix: `/${name}`, files });
  }
  const workDir = join(dir, 'bench');
  const localDir = join(workDir, 'local');
  await mkdir(localDir, { recursive: true });
  targets.push({ name: 'local', prefix: '/local', files: await writeFiles(localDir) });
  const { gfserveVolume } = options;
  return { ground: { cluster, workDir, localDir, gfserveVolume }, targets };
}

/** Whether every target's first file is served right. */
async function serves({ daemon }: FaultPeer, targets: readonly Target[]): Promise<boolean> {
  for (const { prefix, files } of targets) {
    const [file] = files;
    if (file === undefined) continue;
    if ((await ask(daemon.port, `${prefix}${file.path}`, file)).kind !== 'right') return false;
  }
  return true;
}

/** The three phases of one peer's run. What was sent in one is counted there, however late its answer comes. */
async function phasesOf(
  peer: FaultPeer,
  stage: Stage,
  hungSeconds: number,
  cleanup: Cleanup,
): Promise<FaultResult['phases']> {
  const { cluster } = stage.ground;
  const targets = stage.targets.filter(({ name }) => peer.local || name !== 'local');
  if (!(await waitUntil(() => serves(peer, targets), READY_MS))) {
    throw new Error('it does not serve all files right even before the fault');
  }
  const load = (seconds: number) =>
    openLoop(peer.daemon.port, targets, seconds, () => !cleanup.begun);
  await load(WARM_UP_SECONDS).answers;
  const before = load(BEFORE_SECONDS);
  await before.sent;
  await cluster.stopBrick(VOLUME_B, 0);
  const hung = load(hungSeconds);
  await hung.sent;
  await cluster.contBrick(VOLUME_B, 0);
  const after = load(AFTER_SECONDS);
  const tallies = async (answers: Promise<Map<string, Answer[]>>): Promise<PhaseTallies> =>
    Object.fromEntries([...(await answers)].map(([name, own]) => [name, tallyOf(own)]));
  return {
    before: await tallies(before.answers),
    hung: await tallies(hung.answers),
    after: await tallies(after.answers),
  };
}

const summary = (tallies: PhaseTallies): string =>
  Object.entries(tallies)
    .map(([name, { right, sent }]) => `${name} ${right}/${sent}`)
    .join(', ');

/** One peer after the other, on the same cluster. */
export async function runFaults(
  options: FaultOptions,
  cleanup: Cleanup,
  log: Log,
): Promise<FaultRecord> {
  const stage = await setStage(options, cleanup, log);
  const { cluster } = stage.ground;
  const results: Record<string, FaultResult> = {};
  for (const name of options.peers) {
    const kind = FAULT_PEERS[name];
    if (kind === undefined) continue;
    const missing = kind.missing();
    if (missing !== null) {
      log(`${FAULTS}: ${name} is left out: ${missing}`);
      continue;
    }
    if (cleanup.begun) break;
    const peer = await kind.start(stage.ground);
    cleanup.add(name, () => peer.daemon.stop());
    // First of all, or a server that waits for the brick inside of the kernel can't be ended.
    cleanup.add("b's brick", () => cluster.contBrick(VOLUME_B, 0));
    log(`${FAULTS}: ${name}: ${peer.setup}`);
    const phases = await phasesOf(peer, stage, options.hungSeconds, cleanup).catch(
      (error: unknown) => {
        throw new Error(`${FAULTS}: ${name}: ${(error as Error).message}`);
      },
    );
    for (const [phase, tallies] of Object.entries(phases)) {
      log(`${FAULTS}, ${phase}: ${name} ${summary(tallies)}`);
    }
    results[name] = { setup: peer.setup, phases };
    await peer.daemon.stop();
    for (const volume of [VOLUME_A, VOLUME_B]) await cluster.unmount(volume);
    await delay(1_000);
  }
  return { hungSeconds: options.hungSeconds, peers: results };
}
