/** What is done to the cluster and to gfserve, how it is undone, and what it allows meanwhile. */
import type { Cluster } from '../support/cluster/cluster.js';
import type { Random } from './random.js';
import type { Outcome, Windows } from './windows.js';
import type { Workers } from './workers.js';
import { COPIES, VOLUMES } from './world.js';

/** A fault that has begun. Steps are undone in the order thaw, glusterds, bricks, then the windows close. */
export interface Begun {
  readonly thaw?: () => Promise<void>;
  readonly glusterds?: () => Promise<void>;
  readonly bricks?: () => Promise<void>;
  readonly close?: () => void;
}

export interface Fault {
  /** Two faults of one place are never there at once. */
  readonly place: string;
  readonly title: string;
  /** Changes the volume: glusterds that are dead would restart its bricks when they hear of it. */
  readonly needsGlusterds: boolean;
  /** Keeps a new worker from connecting a volume at once. */
  readonly silent: boolean;
  begin(): Promise<Begun>;
}

export interface FaultTools {
  readonly cluster: Cluster;
  readonly windows: Windows;
  readonly workers: Workers;
  readonly random: Random;
}

/** After a brick is back: clients look for it every 3 s, and a volume that is down is asked every second. */
const BACK_MS = 10_000;
const GONE: readonly Outcome[] = ['503', '504', 'cut'];

/** Options that switch the graph, and to what. */
const SWITCHES: readonly (readonly [string, string, string])[] = [
  ['performance.io-cache', 'on', 'off'],
  ['performance.read-ahead', 'on', 'off'],
  ['performance.readdir-ahead', 'on', 'off'],
  ['performance.write-behind', 'off', 'on'],
  ['performance.quick-read', 'off', 'on'],
  ['performance.stat-prefetch', 'off', 'on'],
];

/** Sets an option that switches the graph to something else than it was. */
export async function switchGraph(
  cluster: Cluster,
  volume: string,
  random: Random,
): Promise<string> {
  const [key, first, second] = random.pick(SWITCHES);
  const stored = (await cluster.volumes()).find(({ name }) => name === volume);
  const value = stored?.options[key] === first ? second : first;
  await cluster.setOption(volume, key, value);
  return `${key} ${value}`;
}

function frozen(tools: FaultTools, volume: string): Fault {
  const { cluster, windows, random } = tools;
  const brick = random.between(0, 2);
  return {
    place: volume,
    title: `brick ${brick} of ${volume} hangs`,
    needsGlusterds: false,
    silent: true,
    begin: async () => {
      // The others of a replica set serve what it would have served.
      const close = windows.open('hung brick', volume, volume === COPIES ? [] : GONE);
      await cluster.stopBrick(volume, brick);
      return { thaw: () => cluster.contBrick(volume, brick), close: () => close(BACK_MS) };
    },
  };
}

function killed(tools: FaultTools, volume: string, bricks: readonly number[]): Fault {
  const { cluster, windows } = tools;
  return {
    place: volume,
    title: `bricks ${bricks.join(', ')} of ${volume} are killed`,
    needsGlusterds: false,
    silent: false,
    begin: async () => {
      const harmless = volume === COPIES && bricks.length === 1;
      const close = windows.open('dead brick', volume, harmless ? [] : GONE);
      // Until it is noticed, files of a brick that has just died seem not to be there.
      const early = windows.open('brick just died', volume, harmless ? [] : ['404']);
      for (const brick of bricks) await cluster.killBrick(volume, brick);
      early(2_000);
      return { bricks: () => cluster.startBricks(volume), close: () => close(BACK_MS) };
    },
  };
}

function setOption(tools: FaultTools, volume: string): Fault {
  const { cluster, windows, random } = tools;
  return {
    place: volume,
    title: `an option of ${volume} is set`,
    needsGlusterds: true,
    silent: false,
    begin: async () => {
      const close = windows.open('graph switch', volume, []);
      await switchGraph(cluster, volume, random);
      return { close: () => close(BACK_MS) };
    },
  };
}

function killGlusterd({ cluster, windows, random }: FaultTools): Fault {
  const node = random.between(1, 3);
  return {
    place: 'glusterd',
    title: `glusterd ${node} is killed`,
    needsGlusterds: false,
    silent: false,
    begin: async () => {
      const close = windows.open('dead glusterd', null, []);
      await cluster.killGlusterd(node);
      return { glusterds: () => cluster.startGlusterd(node), close: () => close(BACK_MS) };
    },
  };
}

/** The second one only: the first lives through everything, so that what it leaks adds up. */
function killWorker({ windows, workers }: FaultTools): Fault {
  return {
    place: 'worker',
    title: 'worker 2 is killed',
    needsGlusterds: false,
    silent: false,
    begin: () => {
      const close = windows.open('dead worker', null, ['none', 'cut', '503']);
      workers.kill(2);
      close(3_000);
      return Promise.resolve({});
    },
  };
}

/** A new worker can't connect at once to a volume of which a brick is silent, or to the bricks of a node without a glusterd. */
export function allowSlowStart({ windows }: FaultTools): () => void {
  const closes = VOLUMES.map((volume) => windows.open('worker starts beside it', volume, GONE));
  return () => {
    for (const close of closes) close(BACK_MS);
  };
}

/** One that is drawn at random. */
export function drawFault(tools: FaultTools): Fault {
  const { random } = tools;
  const volume = random.pick(VOLUMES);
  const draw = random.next();
  if (draw < 0.28) return frozen(tools, volume);
  if (draw < 0.5) return killed(tools, volume, [random.between(0, 2)]);
  if (draw < 0.6) return killed(tools, volume, [0, 1, 2]);
  if (draw < 0.76) return setOption(tools, volume);
  if (draw < 0.88) return killGlusterd(tools);
  return killWorker(tools);
}
