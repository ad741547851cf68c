/** A cluster's volumes: making them, waiting until their bricks serve, breaking bricks. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isListening } from './addresses.js';
import {
  type Brick,
  type BrickInfo,
  bricksOf,
  onlineBricks,
  type StoredVolume,
  storedVolume,
  volumeNames,
} from './bricks.js';
import { rememberSockets } from './cleanup.js';
import { waitUntil } from './exec.js';
import type { Node } from './glusterd.js';
import type { Nodes } from './nodes.js';
import { kill, signal } from './processes.js';

const BRICKS_TIMEOUT_MS = 60_000;

/** What a new volume is made of. */
export interface VolumeOptions {
  /** Copies of each file; 1 without it. */
  replica?: number;
  /** Bricks in all, spread over the nodes; default: `replica`, or one per node without replication. */
  bricks?: number;
  /** Volume options, set before the start. */
  options?: Record<string, string>;
}

/** The volumes of one cluster. */
export class Volumes {
  readonly #nodes: Nodes;

  constructor(nodes: Nodes) {
    this.#nodes = nodes;
  }

  /** Creates and starts a volume and waits until all its bricks are online; all of it or nothing. */
  async create(name: string, options: VolumeOptions): Promise<void> {
    const { replica = 1 } = options;
    const nodes = this.#nodes.all;
    const count = options.bricks ?? (replica > 1 ? replica : nodes.length);
    const layout = replica > 1 ? ['replica', String(replica)] : [];
    const bricks = Array.from({ length: count }, (_, index) => {
      const node = this.#nodes.get((index % nodes.length) + 1);
      return `${node.address}:${join(node.dir, 'bricks', `${name}-${index}`)}`;
    });
    const { log } = this.#nodes;
    log(`creating volume ${name}: bricks ${count}, copies ${replica}`);
    await this.#nodes.gluster('volume', 'create', name, ...layout, ...bricks, 'force');
    try {
      const settings = Object.entries(options.options ?? {}).flat();
      if (settings.length > 0) await this.#nodes.gluster('volume', 'set', name, ...settings);
      await this.start(name);
    } catch (error) {
      await this.delete(name).catch(() => undefined);
      throw error;
    }
  }

  /** Starts a volume and waits until all its bricks are online. */
  async start(name: string): Promise<void> {
    await this.#nodes.gluster('volume', 'start', name);
    const { addresses } = this.#nodes;
    if (!(await this.#ready(name, addresses, BRICKS_TIMEOUT_MS))) await this.#fail(name);
  }

  /** Stops a volume: its bricks end. */
  async stop(name: string): Promise<void> {
    for (const brick of await this.bricks(name)) {
      // glusterd asks bricks to end with SIGTERM, which a stopped one would not see.
      if (brick.process !== null) await signal(brick.process, 'SIGCONT');
    }
    await this.#nodes.gluster('volume', 'stop', name, 'force');
  }

  /** Stops and deletes a volume and removes its bricks' folders. */
  async delete(name: string): Promise<void> {
    const volume = await this.get(name);
    if (volume.started) await this.stop(name);
    await this.#nodes.gluster('volume', 'delete', name);
    for (const { path } of volume.bricks) await rm(path, { recursive: true, force: true });
  }

  /** One volume. @throws Error when there is none of that name */
  async get(name: string): Promise<StoredVolume> {
    for (const node of await this.#nodes.liveFirst()) {
      const volume = await storedVolume(node, name);
      if (volume !== null) return volume;
    }
    throw new Error(`no volume ${name} in ${this.#nodes.dir}`);
  }

  /** All volumes. */
  async list(): Promise<StoredVolume[]> {
    const [node] = await this.#nodes.liveFirst();
    if (node === undefined) return [];
    return await Promise.all((await volumeNames(node)).map((name) => this.get(name)));
  }

  /** A volume's bricks. */
  async bricks(name: string): Promise<Brick[]> {
    return await bricksOf(this.#nodes.dir, await this.get(name));
  }

  async #brick(name: string, index: number): Promise<Brick> {
    const bricks = await this.bricks(name);
    const brick = bricks[index];
    if (brick === undefined) {
      throw new RangeError(`no brick ${index} in ${name}: they are 0 to ${bricks.length - 1}`);
    }
    return brick;
  }

  /** Stops a brick's process, or lets it go on, and waits until it does. */
  async signalBrick(name: string, index: number, how: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const { process } = await this.#brick(name, index);
    if (process === null) throw new Error(`brick ${index} of ${name} does not run`);
    this.#nodes.log(`${how} to brick ${index} of ${name}`);
    await signal(process, how);
    const wanted: BrickInfo['state'] = how === 'SIGSTOP' ? 'stopped' : 'online';
    const there = async (): Promise<boolean> => (await this.#brick(name, index)).state === wanted;
    if (!(await waitUntil(there, 5_000, 5))) throw new Error(`brick ${index} is not ${wanted}`);
  }

  /** Kills a brick's process (SIGKILL) and waits until it is gone. */
  async killBrick(name: string, index: number): Promise<void> {
    const { process } = await this.#brick(name, index);
    this.#nodes.log(`killing brick ${index} of ${name}`);
    if (process !== null) await kill([process]);
  }

  /**
   * Starts those of a volume's bricks that don't run. glusterd takes a brick for running while its
   * zombie has not been reaped, so asking once isn't enough.
   */
  async startBricks(name: string, addresses = this.#nodes.addresses): Promise<void> {
    const deadline = Date.now() + BRICKS_TIMEOUT_MS;
    do {
      const said = await this.#nodes.gluster('volume', 'start', name, 'force').catch(String);
      if (await this.#ready(name, addresses, 700)) return;
      this.#nodes.log(`bricks of ${name} are not online yet: ${said.trim()}`);
    } while (Date.now() < deadline);
    await this.#fail(name);
  }

  /** Waits until a node whose glusterd has just started has its bricks up again. */
  async settle(node: Node): Promise<void> {
    await this.#waitForVersions(node);
    for (const volume of await this.list()) {
      if (!volume.started) continue;
      if (await this.#ready(volume.name, [node.address], 5_000)) continue;
      await this.startBricks(volume.name, [node.address]);
    }
  }

  /**
   * Waits until `node` knows what was changed while it was down. It takes such a volume from a peer as
   * if new, and restarts its own bricks of it.
   */
  async #waitForVersions(node: Node): Promise<void> {
    const [peer] = (await this.#nodes.live()).filter((one) => one !== node);
    if (peer === undefined) return;
    await waitUntil(async () => {
      for (const name of await volumeNames(peer)) {
        const [mine, theirs] = [await storedVolume(node, name), await storedVolume(peer, name)];
        if (mine === null || mine.version !== theirs?.version) return false;
      }
      return true;
    }, 10_000);
  }

  async #fail(name: string): Promise<never> {
    const states = (await this.bricks(name)).map((brick) => `${brick.index} ${brick.state}`);
    throw new Error(`bricks of ${name} don't come online: ${states.join(', ')}`);
  }

  /**
   * Whether, within `timeoutMs`, all bricks at those of `addresses` whose glusterds live are called
   * online by glusterd and listen.
   */
  async #ready(name: string, addresses: readonly string[], timeoutMs: number): Promise<boolean> {
    const live = await this.#nodes.live();
    const expected = live.map((one) => one.address).filter((one) => addresses.includes(one));
    const node = await this.#nodes.anyLive();
    const ready = await waitUntil(async () => {
      const bricks = (await this.bricks(name)).filter((one) => expected.includes(one.address));
      for (const { port, address } of bricks) {
        if (port === null || !(await isListening(address, port))) return false;
      }
      const online = await onlineBricks(node, name);
      return bricks.every((brick) => online.has(brick.path));
    }, timeoutMs);
    if (ready) await rememberSockets(this.#nodes.dir);
    return ready;
  }
}
