/** gfserve as its users would start it, with one worker. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Daemon, freePort } from './daemon.js';
import { type Ground, httpPeer, type Peer, type PeerKind } from './peer.js';

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));

async function start(ground: Ground, cli: string, name: string): Promise<Peer> {
  const port = await freePort();
  const lines = [`servers = ${ground.cluster.addresses.join(', ')}`, ...ground.gfserveVolume];
  const file = join(ground.workDir, `${name}.ini`);
  await writeFile(
    file,
    `[server]
listen[] = 127.0.0.1:${port}
workers = 1
[log]
access = off
[volume ${ground.volume}]
${lines.join('\n')}
[mount main]
path = /
volume = ${ground.volume}
`,
  );
  const command = [process.execPath, cli, '--config', file];
  const daemon = await Daemon.start(command, port, join(ground.workDir, `${name}.log`));
  const extra = ground.gfserveVolume.map((line) => `, ${line}`).join('');
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
