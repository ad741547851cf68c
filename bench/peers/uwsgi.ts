/**
 * uWSGI's GlusterFS plugin, one process with 30 threads, behind each of the ways it can speak HTTP. With
 * 64 connections in the scenario cold-4k they came to 1,044 requests/s without keep-alive, 899 through
 * the router, and 1,163 with kept connections, of which 34 never got an answer. So `uwsgi` is the first,
 * the best of those that serve everybody.
 */
import { join } from 'node:path';
import { Daemon, freePort, isInstalled } from './daemon.js';
import { type Ground, httpPeer, type Peer, type PeerKind } from './peer.js';

const THREADS = 30;
/** uWSGI's number for the GlusterFS plugin. */
const MODIFIER = '27';

/** @param http the options that make it listen at an address */
async function startWith(
  ground: Ground,
  name: string,
  http: (address: string) => readonly string[],
): Promise<Peer> {
  const port = await freePort();
  // With several servers the plugin connects to each of them in turn, so one it is.
  const server = `${ground.cluster.addresses[0]}:24007`;
  const options = [
    ...['--plugin', 'glusterfs'],
    ...['--glusterfs-mount', `mountpoint=/,volume=${ground.volume},server=${server}`],
    ...['--threads', String(THREADS), '--listen', '128'],
    ...['--disable-logging', '--die-on-term'],
    ...http(`127.0.0.1:${port}`),
  ];
  const output = join(ground.workDir, `${name}.log`);
  const daemon = await Daemon.start(['uwsgi', ...options], port, output);
  return httpPeer(daemon, `uwsgi ${options.join(' ')}`);
}

const missing = (): string | null =>
  isInstalled('uwsgi') ? null : 'uwsgi-core and uwsgi-plugin-glusterfs are not installed';

/** It closes the connection after each answer without saying so, which a client takes for a failure. */
export const uwsgi: PeerKind = {
  title: "uWSGI's GlusterFS plugin, one process, 30 threads",
  missing,
  start: (ground) =>
    startWith(ground, 'uwsgi', (address) => [
      ...['--http-socket', address, '--http-socket-modifier1', MODIFIER],
      ...['--add-header', 'Connection: close'],
    ]),
};

/** The router, a second process, keeps the clients' connections; to the threads it opens one a request. */
export const uwsgiRouter: PeerKind = {
  title: 'the same behind its HTTP router, which keeps connections',
  missing,
  start: (ground) =>
    startWith(ground, 'uwsgi-router', (address) => [
      ...['--plugin', 'http', '--http', address],
      ...['--http-modifier1', MODIFIER, '--http-keepalive'],
    ]),
};

/** A kept connection occupies a thread for as long as it lives: the 31st client is never answered. */
export const uwsgiKeepalive: PeerKind = {
  title: 'the same with kept connections, of which it answers only 30',
  missing,
  start: (ground) =>
    startWith(ground, 'uwsgi-keepalive', (address) => [
      ...['--http11-socket', address, '--http-socket-modifier1', MODIFIER],
    ]),
};
