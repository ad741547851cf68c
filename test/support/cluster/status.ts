/** `cluster status`: nodes, volumes, bricks and mounts, as text for people. */
import { mountsUnder } from './cleanup.js';
import type { BrickInfo, Cluster, StoredVolume } from './cluster.js';
import { mountPath } from './mounts.js';

type State = BrickInfo['state'];

/** Green, yellow, red. */
const COLOURS = { online: 32, stopped: 33, offline: 31 } as const;

/** Pads before it colours, so that columns stay in line. */
function paint(state: State): string {
  const text = state.padEnd('stopped'.length);
  const plain = !process.stdout.isTTY || process.env.NO_COLOR !== undefined;
  return plain ? text : `\u001b[${COLOURS[state]}m${text}\u001b[39m`;
}

const pidText = (pid: number | null): string => (pid === null ? '-' : `pid ${pid}`).padEnd(12);

/** Describes a cluster in a few lines. Asks no glusterd, so it never hangs. */
export async function renderStatus(cluster: Cluster): Promise<string> {
  const lines = [`cluster in ${cluster.dir}`];
  const glusterds = await cluster.glusterds();
  const width = Math.max(...cluster.addresses.map((address) => address.length)) + ':65535'.length;
  for (const { node, address, pid, state } of glusterds) {
    lines.push(
      `  node ${node}   ${`${address}:24007`.padEnd(width)}  ${paint(state)}  ${pidText(pid)}`,
    );
  }
  const mounts = await mountsUnder(cluster.dir);
  const volumes = await cluster.volumes();
  if (volumes.length === 0) lines.push('', 'no volumes');
  for (const volume of volumes) {
    lines.push('', headline(volume));
    for (const brick of await cluster.bricks(volume.name)) {
      const place = `${brick.address}${brick.port === null ? '' : `:${brick.port}`}`.padEnd(width);
      const { index, state, pid, path } = brick;
      lines.push(`  brick ${index}  ${place}  ${paint(state)}  ${pidText(pid)}  ${path}`);
    }
    const options = Object.entries(volume.options).filter(([key]) => !OWN_OPTIONS.has(key));
    for (const [key, value] of options) lines.push(`  ${key} = ${value}`);
    const path = mountPath(cluster.dir, volume.name);
    if (mounts.includes(path)) lines.push(`  mounted at ${path}`);
  }
  return lines.map((line) => line.trimEnd()).join('\n');
}

/** What glusterd sets by itself for each new volume. */
const OWN_OPTIONS = new Set([
  'performance.client-io-threads',
  'nfs.disable',
  'transport.address-family',
  'storage.fips-mode-rchecksum',
  'cluster.granular-entry-heal',
]);

function headline({ name, started, replica, bricks }: StoredVolume): string {
  const kind = replica > 1 ? `replica ${replica}` : 'distribute';
  const count = `${bricks.length} ${bricks.length === 1 ? 'brick' : 'bricks'}`;
  return `volume ${name}: ${started ? 'started' : 'not started'}, ${kind}, ${count}`;
}
