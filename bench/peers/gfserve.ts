/** gfserve as its users would start it, with one worker. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Daemon, freePort } from './daemon.js';
import { type Ground, httpPeer, type Peer, type PeerKind } from './peer.js';

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));

async function start(ground: Ground): Promise<Peer> {
  const port = await freePort();
  const lines = [`servers = ${ground.cluster.addresses.join(', ')}`, ...ground.gfserveVolume];
  const file = join(ground.workDir, 'gfserve.ini');
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
  const command = [process.execPath, CLI, '--config', file];
  const daemon = await Daemon.start(command, port, join(ground.workDir, 'gfserve.log'));
  const extra = ground.gfserveVolume.map((line) => `, ${line}`).join('');
  return httpPeer(daemon, `one worker, access log off${extra}`);
}

export const gfserve: PeerKind = {
  title: 'gfserve, one worker',
  missing: () => null,
  start,
};
