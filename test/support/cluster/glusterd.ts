/** One node of a cluster: a glusterd with folders, sockets and an address of its own. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isListening } from './addresses.js';
import { CommandError, run, runDaemon, tail, waitUntil } from './exec.js';
import { clusterProcesses, type Process } from './processes.js';

const PORT = 24007;
/** Compiled into GlusterFS; its package has systemd make it, which a container may not have. */
const COMPILED_IN_RUN_DIR = '/var/run/gluster';

/**
 * At its start glusterd runs geo-replication's Python program 26 times, to configure it: 15 s of processor time for what no cluster
 * of ours has. /usr/lib/…/glusterfs/gsyncd looks for its interpreter here; echo says the name that glusterd wants to hear.
 */
const NO_GEO_REPLICATION = { PYTHON: '/bin/echo' };

/** Where a node keeps its things. */
export interface Node {
  /** Counts from 1. */
  readonly number: number;
  readonly address: string;
  readonly dir: string;
}

/** The nodes of the cluster in `dir`. */
export function nodesOf(dir: string, addresses: readonly string[]): Node[] {
  return addresses.map((address, index) => {
    const number = index + 1;
    return { number, address, dir: join(dir, `node${number}`) };
  });
}

const socketOf = (node: Node): string => join(node.dir, 'glusterd.sock');
const logOf = (node: Node): string => join(node.dir, 'log', 'glusterd.log');

/**
 * Starts the node's glusterd and waits until it listens. It restarts the bricks that should run.
 * @throws CommandError with the end of its log
 */
export async function startNode(node: Node): Promise<void> {
  for (const name of ['glusterd', 'run', 'log', 'bricks']) {
    await mkdir(join(node.dir, name), { recursive: true });
  }
  await mkdir(COMPILED_IN_RUN_DIR, { recursive: true });
  const options = [
    `working-directory=${join(node.dir, 'glusterd')}`,
    `run-directory=${join(node.dir, 'run')}`,
    `logging-directory=${join(node.dir, 'log')}`,
    `glusterd-sockfile=${socketOf(node)}`,
    `transport.socket.bind-address=${node.address}`,
  ];
  const command = [
    'glusterd',
    ...options.flatMap((option) => ['--xlator-option', `management.${option}`]),
    `--log-file=${logOf(node)}`,
    `--pid-file=${join(node.dir, 'glusterd.pid')}`,
  ];
  const output = join(node.dir, 'log', 'glusterd.out');
  await runDaemon(command, output, NO_GEO_REPLICATION).catch(async (error: unknown) => {
    if (!(error instanceof CommandError)) throw error;
    const log = await tail(logOf(node));
    throw new CommandError(error.command, error.outcome, `${error.output}\n${log}`);
  });
  if (!(await waitUntil(() => isListening(node.address, PORT), 30_000))) {
    throw new CommandError(
      command,
      `no listener on ${node.address}:${PORT}`,
      await tail(logOf(node)),
    );
  }
}

/** The node's glusterd, or null when it doesn't run. */
export async function glusterdOf(dir: string, node: Node): Promise<Process | null> {
  const pidFile = `--pid-file=${join(node.dir, 'glusterd.pid')}`;
  return (await clusterProcesses(dir)).find((one) => one.argv.includes(pidFile)) ?? null;
}

/** The nodes whose glusterds run and aren't stopped. */
export async function liveNodes(dir: string, nodes: readonly Node[]): Promise<Node[]> {
  const processes = await clusterProcesses(dir);
  return nodes.filter((node) => {
    const pidFile = `--pid-file=${join(node.dir, 'glusterd.pid')}`;
    return processes.some((one) => one.argv.includes(pidFile) && one.state !== 'T');
  });
}

/** What gluster says while a peer is busy; it passes by itself. */
const TRANSIENT = /Another transaction|Locking failed|Please try again|handshake is in progress/i;

/**
 * Runs the gluster command line at a node.
 * @throws CommandError
 */
export async function gluster(node: Node, args: readonly string[]): Promise<string> {
  const command = [
    'gluster',
    '--mode=script',
    `--glusterd-sock=${socketOf(node)}`,
    `--log-file=${join(node.dir, 'log', 'cli.log')}`,
    ...args,
  ];
  let result = '';
  let failure: unknown = null;
  await waitUntil(async () => {
    try {
      result = await run(command);
      failure = null;
      return true;
    } catch (error) {
      failure = error;
      return !(error instanceof CommandError && TRANSIENT.test(error.output));
    }
  }, 15_000);
  if (failure !== null) throw failure;
  return result;
}

/** True when `node` says that it is connected to every one of `others`. */
export async function seesPeers(node: Node, others: readonly Node[]): Promise<boolean> {
  if (others.length === 0) return true;
  const xml = await gluster(node, ['peer', 'status', '--xml']).catch(() => '');
  const connected = xml
    .split('<peer>')
    .filter((peer) => peer.includes('<connected>1<') && peer.includes('<state>3<'));
  return others.every((other) =>
    connected.some((peer) => peer.includes(`<hostname>${other.address}<`)),
  );
}
