/** Who meets the hung brick: each serves volume A below /a and volume B below /b. */
import { existsSync } from 'node:fs';
import type { Cluster } from '../../test/support/cluster/cluster.js';
import type { Daemon } from '../peers/daemon.js';
import { CLI, startGfserve } from '../peers/gfserve.js';
import { missing as nginxMissing, startNginx } from '../peers/nginx.js';
import { startUwsgi, missing as uwsgiMissing, withoutKeepAlive } from '../peers/uwsgi.js';

export const VOLUME_A = 'a';
export const VOLUME_B = 'b';
const MOUNTS = { '/a': VOLUME_A, '/b': VOLUME_B } as const;

/** Where a peer is started. */
export interface FaultGround {
  readonly cluster: Cluster;
  readonly workDir: string;
  /** A folder of the local disk, with files to serve. */
  readonly localDir: string;
  readonly gfserveVolume: readonly string[];
}

export interface FaultPeer {
  readonly setup: string;
  readonly daemon: Daemon;
  /** Whether it serves the local folder too, below /local. */
  readonly local: boolean;
}

export interface FaultPeerKind {
  missing(): string | null;
  start(ground: FaultGround): Promise<FaultPeer>;
}

const gfserve: FaultPeerKind = {
  missing: () => (existsSync(CLI) ? null : `${CLI} is not built`),
  start: async ({ cluster, workDir, gfserveVolume }) => {
    const daemon = await startGfserve({
      workDir,
      name: 'faults-gfserve',
      cli: CLI,
      addresses: cluster.addresses,
      mounts: MOUNTS,
      volumeLines: gfserveVolume,
      cacheLines: [],
      accessLog: 'off',
    });
    const extra = gfserveVolume.map((line) => `, ${line}`).join('');
    return { setup: `one worker, defaults${extra}`, daemon, local: false };
  },
};

const nginxFuse: FaultPeerKind = {
  missing: nginxMissing,
  start: async ({ cluster, workDir, localDir }) => {
    // Mounted anew: a client that has met a hung brick is not the one that the next run is to meet.
    const mounts: string[] = [];
    for (const volume of Object.values(MOUNTS)) {
      await cluster.unmount(volume);
      mounts.push(await cluster.mount(volume));
    }
    const [a, b] = mounts;
    const location = (path: string, dir = ''): string => `location ${path}/ { alias ${dir}/; }`;
    const server = [location('/a', a), location('/b', b), location('/local', localDir)].join('\n');
    const daemon = await startNginx({ workDir, name: 'faults-nginx', http: '', server });
    const setup = 'two FUSE mounts with their defaults and a local folder, one process, sendfile';
    return { setup, daemon, local: true };
  },
};

const uwsgi: FaultPeerKind = {
  missing: uwsgiMissing,
  start: async ({ cluster, workDir }) => {
    const started = await startUwsgi({
      workDir,
      name: 'faults-uwsgi',
      mounts: MOUNTS,
      server: cluster.addresses[0] ?? '',
      // With several mounts the plugin looks for the whole URL path in each, unless uWSGI takes the mount's off.
      http: (address) => [...withoutKeepAlive(address), '--manage-script-name'],
    });
    return { ...started, local: false };
  },
};

/** By the names that the other scenarios have for them. */
export const FAULT_PEERS: Readonly<Record<string, FaultPeerKind>> = {
  gfserve,
  uwsgi,
  'nginx-fuse': nginxFuse,
};
