/** gfserve as its users would start it, with one worker. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Daemon, freePort } from './daemon.js';
import { type Ground, httpPeer, type Peer, type PeerKind } from './peer.js';

export const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));

/** What a gfserve is started with. */
export interface GfserveOptions {
  readonly workDir: string;
  readonly name: string;
  readonly cli: string;
  readonly addresses: readonly string[];
  /** The volume behind each URL path. */
  readonly mounts: Readonly<Record<string, string>>;
  /** Further lines of each `[volume]` section. */
  readonly volumeLines: readonly string[];
}

/** Starts a gfserve of one worker. */
export async function startGfserve(options: GfserveOptions): Promise<Daemon> {
  const { workDir, name, cli, addresses } = options;
  const port = await freePort();
  const lines = [`servers = ${addresses.join(', ')}`, ...options.volumeLines].join('\n');
  const sections = Object.entries(options.mounts).map(
    ([path, volume], at) =>
      `[volume ${volume}]\n${lines}\n[mount m${at}]\npath = ${path}\nvolume = ${volume}\n`,
  );
  const file = join(workDir, `${name}.ini`);
  const server = `[server]\nlisten[] = 127.0.0.1:${port}\nworkers = 1\n[log]\naccess = off\n`;
  await writeFile(file, `${server}${sections.join('')}`);
  const command = [process.execPath, cli, '--config', file];
  return await Daemon.start(command, port, join(workDir, `${name}.log`));
}

async function start(ground: Ground, cli: string, name: string): Promise<Peer> {
  const { workDir, gfserveVolume } = ground;
  const daemon = await startGfserve({
    workDir,
    name,
    cli,
    addresses: ground.cluster.addresses,
    mounts: { '/': ground.volume },
    volumeLines: gfserveVolume,
  });
  const extra = gfserveVolume.map((line) => `, ${line}`).join('');
  return httpPeer(daemon, `one worker, access log off${extra}`);
}

export const gfserve: PeerKind = {
  title: 'gfserve, one worker',
  missing: () => null,
  start: (ground) => start(ground, CLI, 'gfserve'),
};

/** What a change costs is seen against the state before it, in the same run. */
export const gfserveOther: PeerKind = {
  title: 'gfserve of the built checkout that --other names',
  missing: () => null,
  start: (ground) => {
    if (ground.other === null) throw new Error('the peer gfserve-other needs --other DIR');
    return start(ground, join(ground.other, 'dist', 'src', 'cli.js'), 'gfserve-other');
  },
};
