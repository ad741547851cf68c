/**
 * uWSGI's GlusterFS plugin, one process with 30 threads, in the way that serves most requests a second.
 *
 * Its HTTP socket closes the connection after each answer without saying so, which a client takes for
 * a failure; the header says so. The alternative, `http11-socket`, keeps connections, but each one then
 * occupies a thread for as long as it lives: of 64 clients 34 are never answered.
 */
import { join } from 'node:path';
import { Daemon, freePort, isInstalled } from './daemon.js';
import { type Ground, httpPeer, type Peer, type PeerKind } from './peer.js';

const THREADS = 30;
/** uWSGI's number for the GlusterFS plugin. */
const MODIFIER = 27;

async function startWith(
  ground: Ground,
  name: string,
  socketOption: string,
  extra: readonly string[],
): Promise<Peer> {
  const port = await freePort();
  // With several servers the plugin connects to each of them in turn, so one it is.
  const server = `${ground.cluster.addresses[0]}:24007`;
  const options = [
    ...['--plugin', 'glusterfs'],
    ...['--glusterfs-mount', `mountpoint=/,volume=${ground.volume},server=${server}`],
    ...[socketOption, `127.0.0.1:${port}`],
    ...['--http-socket-modifier1', String(MODIFIER)],
    ...['--threads', String(THREADS), '--listen', '128'],
    ...['--disable-logging', '--die-on-term'],
    ...extra,
  ];
  const daemon = await Daemon.start(
    ['uwsgi', ...options],
    port,
    join(ground.workDir, `${name}.log`),
  );
  return httpPeer(daemon, `uwsgi ${options.join(' ')}`);
}

const missing = (): string | null =>
  isInstalled('uwsgi') ? null : 'uwsgi-core and uwsgi-plugin-glusterfs are not installed';

export const uwsgi: PeerKind = {
  title: "uWSGI's GlusterFS plugin, one process, 30 threads",
  missing,
  start: (ground) =>
    startWith(ground, 'uwsgi', '--http-socket', ['--add-header', 'Connection: close']),
};

export const uwsgiKeepalive: PeerKind = {
  title: 'the same with http11-socket: keeps connections, answers only 30 of them',
  missing,
  start: (ground) => startWith(ground, 'uwsgi-keepalive', '--http11-socket', []),
};
