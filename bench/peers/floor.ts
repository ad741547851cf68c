/** What uWebSockets.js costs by itself: no server on it can do with less. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../test/support/ports.js';
import { Daemon } from './daemon.js';
import { HttpPeer } from './http_peer.js';
import { type PeerKind, SERVER } from './peer.js';

const PROGRAM = fileURLToPath(new URL('./bare_uws.js', import.meta.url));
/** It knows no ranges, but ETags; and it must not be asked for what is not there. */
const traits = { ...SERVER, caches: true };

/** Only for scenarios of one hot file; to be named. */
export const floor: PeerKind = {
  title: 'a bare uWebSockets.js that answers from a buffer: the least that it takes',
  traits,
  missing: () => null,
  start: async (ground) => {
    const { cluster, volume, workDir } = ground;
    const name = 'floor';
    const port = await freePort();
    const command = [process.execPath, PROGRAM, String(port), await cluster.mount(volume)];
    const daemon = await Daemon.start(command, port, join(workDir, `${name}.log`));
    return new HttpPeer(ground, { name, daemon, setup: 'one process', traits });
  },
};
