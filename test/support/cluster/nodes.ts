/** A cluster's nodes together: which live, who sees whom, commands to any of them, faults. */
import { waitUntil } from './exec.js';
import {
  gluster,
  glusterdOf,
  liveNodes,
  type Node,
  nodesOf,
  seesPeers,
  startNode,
} from './glusterd.js';
import { kill, signal } from './processes.js';

/** One node's glusterd. */
export interface GlusterdInfo {
  /** Counts from 1. */
  node: number;
  address: string;
  pid: number | null;
  state: 'online' | 'stopped' | 'offline';
}

/** The nodes of one cluster. */
export class Nodes {
  readonly all: readonly Node[];
  /** gluster's commands lock the whole cluster, so ours go one after another. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(
    readonly dir: string,
    readonly addresses: readonly string[],
    readonly log: (line: string) => void,
  ) {
    this.all = nodesOf(dir, addresses);
  }

  /** @throws RangeError when there is no such node */
  get(number: number): Node {
    const node = this.all[number - 1];
    if (node === undefined) {
      throw new RangeError(`no node ${number}: they are 1 to ${this.all.length}`);
    }
    return node;
  }

  /** The nodes whose glusterds run and aren't stopped. */
  live(): Promise<Node[]> {
    return liveNodes(this.dir, this.all);
  }

  /** All nodes, the live ones first: their files are the most up to date. */
  async liveFirst(): Promise<Node[]> {
    const live = await this.live();
    return [...live, ...this.all.filter((node) => !live.includes(node))];
  }

  /** @throws Error when no glusterd lives */
  async anyLive(): Promise<Node> {
    const [node] = await this.live();
    if (node === undefined) throw new Error(`no glusterd of ${this.dir} runs`);
    return node;
  }

  /** Runs the gluster command line at a live node. @throws CommandError */
  gluster(...args: string[]): Promise<string> {
    const result = this.#queue.then(async () => gluster(await this.anyLive(), args));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  /** Starts all glusterds and joins them. */
  async startAll(): Promise<void> {
    this.log(`starting ${this.all.length} glusterds on ${this.addresses.join(', ')}`);
    const started = await Promise.allSettled(this.all.map(startNode));
    const failure = started.find((result) => result.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
    for (const address of this.addresses.slice(1)) await this.gluster('peer', 'probe', address);
    await this.waitForPeers();
  }

  /** Starts one node's glusterd and waits until its peers see it; false when it runs already. */
  async start(number: number): Promise<boolean> {
    const node = this.get(number);
    if ((await glusterdOf(this.dir, node)) !== null) return false;
    this.log(`starting glusterd ${number}`);
    await startNode(node);
    await this.waitForPeers();
    return true;
  }

  /** Waits until every live glusterd is connected to every other live one. */
  async waitForPeers(): Promise<void> {
    const live = await this.live();
    for (const node of live) {
      const others = live.filter((other) => other !== node);
      if (!(await waitUntil(() => seesPeers(node, others), 30_000))) {
        throw new Error(`glusterd ${node.number} does not see its peers`);
      }
    }
  }

  /** Kills a node's glusterd (SIGKILL) and waits until it is gone. */
  async kill(number: number): Promise<void> {
    const process = await glusterdOf(this.dir, this.get(number));
    this.log(`killing glusterd ${number}`);
    if (process !== null) await kill([process]);
  }

  /** Stops a node's glusterd, or lets it go on, and waits until it does. */
  async signal(number: number, name: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const node = this.get(number);
    const process = await glusterdOf(this.dir, node);
    if (process === null) throw new Error(`glusterd ${number} does not run`);
    this.log(`${name} to glusterd ${number}`);
    await signal(process, name);
    const wanted = name === 'SIGSTOP' ? 'stopped' : 'online';
    const there = async (): Promise<boolean> => (await this.#info(node)).state === wanted;
    if (!(await waitUntil(there, 5_000, 5))) throw new Error(`glusterd ${number} is not ${wanted}`);
  }

  /** What each glusterd is doing. */
  infos(): Promise<GlusterdInfo[]> {
    return Promise.all(this.all.map((node) => this.#info(node)));
  }

  async #info(node: Node): Promise<GlusterdInfo> {
    const process = await glusterdOf(this.dir, node);
    const state = process === null ? 'offline' : process.state === 'T' ? 'stopped' : 'online';
    return { node: node.number, address: node.address, pid: process?.pid ?? null, state };
  }
}
