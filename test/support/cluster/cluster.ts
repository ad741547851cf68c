/**
 * A real GlusterFS cluster on loopback, for development, tests and benchmarks: several glusterds with
 * folders and addresses of their own, real bricks, real mounts. Needs root and the Debian packages
 * glusterfs-server and glusterfs-client. Everything lives in one folder and goes with it.
 */
import { chmod, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Reservation, reserveAddresses } from './addresses.js';
import type { BrickInfo, StoredVolume } from './bricks.js';
import { cleanStale, destroy } from './cleanup.js';
import { liveNodes, nodesOf } from './glusterd.js';
import { mountVolume, unmountVolume } from './mounts.js';
import { type GlusterdInfo, Nodes } from './nodes.js';
import { livingOwner, ownIdentity, prepareDir, readState, writeState } from './state.js';
import { type VolumeOptions, Volumes } from './volumes.js';

export type { BrickInfo, StoredVolume } from './bricks.js';
export { CommandError } from './exec.js';
export type { GlusterdInfo } from './nodes.js';
export type { VolumeOptions } from './volumes.js';

type Log = (line: string) => void;

/** How to start a cluster. */
export interface ClusterOptions {
  /** Its folder: new, empty, or a former cluster's. Default: `gfserve-cluster` in the temporary folder. */
  dir?: string;
  /** How many glusterds, 1 to 254; default 3. */
  nodes?: number;
  /** The last number of the first address 127.1.1.N; without it the first free block is taken. */
  firstAddress?: number;
  /** Lets the cluster live on when this process ends; without it, it is stale from then on. */
  keep?: boolean;
  /** Gets a line for each step. */
  log?: Log;
}

/** The folder that is used when none is given. */
export function defaultDir(): string {
  return join(tmpdir(), 'gfserve-cluster');
}

/** A cluster that runs. Nodes count from 1, bricks from 0 (as `<volume>-client-<n>` does). */
export class Cluster {
  readonly #nodes: Nodes;
  readonly #volumes: Volumes;
  #reservation: Reservation | null;

  private constructor(
    readonly dir: string,
    /** The glusterds' addresses, in the order of the nodes: `['127.1.1.1', …]`. */
    readonly addresses: readonly string[],
    log: Log,
    reservation: Reservation | null,
  ) {
    this.#nodes = new Nodes(dir, addresses, log);
    this.#volumes = new Volumes(this.#nodes);
    this.#reservation = reservation;
  }

  /**
   * Starts a cluster. What an interrupted run left in the folder is cleaned first.
   * @throws Error when the folder or the addresses are somebody else's, or glusterd doesn't start
   */
  static async up(options: ClusterOptions = {}): Promise<Cluster> {
    const { nodes = 3, log = () => undefined } = options;
    if (process.geteuid?.() !== 0) throw new Error('glusterd needs root; run this as root');
    if (!Number.isInteger(nodes) || nodes < 1 || nodes > 254) {
      throw new RangeError(`nodes: ${nodes}, must be 1 to 254`);
    }
    const dir = await prepareDir(options.dir ?? defaultDir());
    await cleanLeftovers(dir, log);
    await prepareDir(dir);
    const reservation = await reserveAddresses(nodes, options.firstAddress);
    const { addresses } = reservation;
    const cluster = new Cluster(dir, addresses, log, reservation);
    try {
      await writeState(dir, { format: 1, addresses, owner: await ownIdentity() });
      // A served mount must be reachable for other users; mkdtemp makes folders private.
      await chmod(dir, 0o755);
      await cluster.#nodes.startAll();
      if (options.keep === true) await writeState(dir, { format: 1, addresses, owner: null });
      return cluster;
    } catch (error) {
      await cluster.down();
      throw error;
    }
  }

  /**
   * Takes hold of a cluster that another process started.
   * @throws Error when there is none in `dir`
   */
  static async attach(dir: string, log: Log = () => undefined): Promise<Cluster> {
    const real = await realpath(dir).catch(() => dir);
    const state = await readState(real);
    if (state === null) throw new Error(`no cluster in ${dir}`);
    return new Cluster(real, state.addresses, log, null);
  }

  /**
   * Cleans the clusters in the temporary folder, in folders whose names begin with `prefix`, whose
   * starters died without doing so.
   * @returns the folders that were removed
   */
  static cleanStale(prefix = 'gfserve-'): Promise<string[]> {
    return cleanStale(prefix);
  }

  /**
   * Runs the gluster command line at a live node and gives its standard output.
   * @throws CommandError with the command and what it said
   */
  gluster(...args: string[]): Promise<string> {
    return this.#nodes.gluster(...args);
  }

  /**
   * Creates and starts a volume and waits until all its bricks are online; all of it or nothing.
   * @throws CommandError
   */
  createVolume(name: string, options: VolumeOptions = {}): Promise<void> {
    return this.#volumes.create(name, options);
  }

  /** Starts a volume and waits until all its bricks are online. */
  startVolume(name: string): Promise<void> {
    return this.#volumes.start(name);
  }

  /** Stops a volume: its bricks end. */
  stopVolume(name: string): Promise<void> {
    return this.#volumes.stop(name);
  }

  /** Unmounts, stops and deletes a volume and removes its bricks' folders. */
  async deleteVolume(name: string): Promise<void> {
    await this.unmount(name);
    await this.#volumes.delete(name);
  }

  /** Sets a volume option. */
  async setOption(name: string, key: string, value: string): Promise<void> {
    await this.gluster('volume', 'set', name, key, value);
  }

  /** The cluster's volumes. */
  volumes(): Promise<StoredVolume[]> {
    return this.#volumes.list();
  }

  /** A volume's bricks. Asks no glusterd, so it works while they are dead or stopped. */
  async bricks(name: string): Promise<BrickInfo[]> {
    return (await this.#volumes.bricks(name)).map(({ process: _, ...info }) => info);
  }

  /** Stops a brick's process (SIGSTOP): its connections stay, nothing answers. */
  stopBrick(name: string, index: number): Promise<void> {
    return this.#volumes.signalBrick(name, index, 'SIGSTOP');
  }

  /** Lets a stopped brick go on (SIGCONT). */
  contBrick(name: string, index: number): Promise<void> {
    return this.#volumes.signalBrick(name, index, 'SIGCONT');
  }

  /** Kills a brick's process (SIGKILL) and waits until it is gone. */
  killBrick(name: string, index: number): Promise<void> {
    return this.#volumes.killBrick(name, index);
  }

  /** Starts the bricks that don't run and waits until all are online. Running ones stay as they are. */
  startBricks(name: string): Promise<void> {
    return this.#volumes.startBricks(name);
  }

  /** Kills a node's glusterd (SIGKILL); its bricks and self-heal daemon run on. */
  killGlusterd(node: number): Promise<void> {
    return this.#nodes.kill(node);
  }

  /** Stops a node's glusterd (SIGSTOP). Changes to volumes then hang until it goes on. */
  stopGlusterd(node: number): Promise<void> {
    return this.#nodes.signal(node, 'SIGSTOP');
  }

  /** Lets a node's stopped glusterd go on (SIGCONT). */
  contGlusterd(node: number): Promise<void> {
    return this.#nodes.signal(node, 'SIGCONT');
  }

  /** Starts a node's glusterd, which restarts its dead bricks, and waits until both are up. */
  async startGlusterd(node: number): Promise<void> {
    if (await this.#nodes.start(node)) await this.#volumes.settle(this.#nodes.get(node));
  }

  /** What each glusterd is doing. */
  glusterds(): Promise<GlusterdInfo[]> {
    return this.#nodes.infos();
  }

  /**
   * Mounts a volume through FUSE; `down` unmounts it. Where it is mounted already, nothing happens.
   * @returns the mount point
   * @throws CommandError with the end of the client's log
   */
  async mount(name: string, as = name): Promise<string> {
    await this.#volumes.get(name);
    // Without a server's name the client would ask whatever glusterd is at localhost.
    await this.#nodes.anyLive();
    const servers = (await this.#nodes.live()).map((node) => node.address);
    return await mountVolume(this.dir, name, servers, as);
  }

  /** Unmounts a volume, or what was mounted as `as`. */
  unmount(as: string): Promise<void> {
    return unmountVolume(this.dir, as);
  }

  /** Takes everything away: mounts, processes, sockets, folder. May be called again. */
  async down(): Promise<void> {
    await destroy(this.dir);
    await this.#reservation?.release();
    this.#reservation = null;
  }
}

/** Removes a former cluster from `dir`, unless it is in use. */
async function cleanLeftovers(dir: string, log: Log): Promise<void> {
  const state = await readState(dir);
  if (state === null) return;
  const owner = await livingOwner(state);
  if (owner !== null) throw new Error(`${dir}: the cluster of process ${owner} is there`);
  if (state.owner === null && (await liveNodes(dir, nodesOf(dir, state.addresses))).length > 0) {
    throw new Error(`${dir}: a cluster runs there; attach to it or take it down first`);
  }
  log(`cleaning what an interrupted run left in ${dir}`);
  await destroy(dir);
}
