/**
 * uWSGI's GlusterFS plugin, one process with 30 threads, behind each of the ways it can speak HTTP. With
 * 64 connections in the scenario cold-4k they came to 526 requests/s without keep-alive and 481 through the
 * router; of kept connections 34 never got an answer. So `uwsgi` is the first, the best of those that serve
 * everybody.
 */
import { join } from 'node:path';
import { freePort } from '../../test/support/ports.js';
import { isInstalled } from '../programs.js';
import { Daemon } from './daemon.js';
import { HttpPeer } from './http_peer.js';
import { type Ground, type Peer, type PeerKind, SERVER, type Traits } from './peer.js';

/** It knows neither ranges nor ETags, and a kept connection would occupy a thread. */
const PLUGIN: Traits = {
  ...SERVER,
  ranges: false,
  keepsConnections: false,
  framesErrors: false,
};

const THREADS = 30;
/** uWSGI's number for the GlusterFS plugin. */
const MODIFIER = '27';

/** What a uWSGI with the GlusterFS plugin is started with. */
export interface UwsgiOptions {
  readonly workDir: string;
  readonly name: string;
  /** The volume behind each URL path. */
  readonly mounts: Readonly<Record<string, string>>;
  /** A volfile server's address. With several of them the plugin connects to each in turn, so one it is. */
  readonly server: string;
  /** The options that make it listen at an address. */
  readonly http: (address: string) => readonly string[];
}

/** @returns the options too, for the report */
export async function startUwsgi(
  options: UwsgiOptions,
): Promise<{ daemon: Daemon; setup: string }> {
  const port = await freePort();
  const mounts = Object.entries(options.mounts).flatMap(([path, volume]) => [
    '--glusterfs-mount',
    `mountpoint=${path},volume=${volume},server=${options.server}:24007`,
  ]);
  const words = [
    ...['--plugin', 'glusterfs'],
    ...mounts,
    ...['--threads', String(THREADS), '--listen', '128'],
    ...['--disable-logging', '--die-on-term'],
    ...options.http(`127.0.0.1:${port}`),
  ];
  const output = join(options.workDir, `${options.name}.log`);
  const daemon = await Daemon.start(['uwsgi', ...words], port, output);
  return { daemon, setup: `uwsgi ${words.join(' ')}` };
}

async function startWith(ground: Ground, name: string, http: UwsgiOptions['http']): Promise<Peer> {
  const server = ground.cluster.addresses[0] ?? '';
  const mounts = { '/': ground.volume };
  const { daemon, setup } = await startUwsgi({ ...ground, name, mounts, server, http });
  return new HttpPeer(ground, { name, daemon, setup, traits: PLUGIN });
}

/** One connection a request: it closes the connection after each answer, and says so here. */
export const withoutKeepAlive = (address: string): readonly string[] => [
  ...['--http-socket', address, '--http-socket-modifier1', MODIFIER],
  ...['--add-header', 'Connection: close'],
];

export const missing = (): string | null =>
  isInstalled('uwsgi') ? null : 'uwsgi-core and uwsgi-plugin-glusterfs are not installed';

/** It closes the connection after each answer without saying so, which a client takes for a failure. */
export const uwsgi: PeerKind = {
  title: "uWSGI's GlusterFS plugin, one process, 30 threads",
  traits: PLUGIN,
  missing,
  start: (ground) => startWith(ground, 'uwsgi', withoutKeepAlive),
};

/** The router, a second process, keeps the clients' connections; to the threads it opens one a request. */
export const uwsgiRouter: PeerKind = {
  title: 'the same behind its HTTP router, which keeps connections',
  traits: PLUGIN,
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
  traits: PLUGIN,
  missing,
  start: (ground) =>
    startWith(ground, 'uwsgi-keepalive', (address) => [
      ...['--http11-socket', address, '--http-socket-modifier1', MODIFIER],
    ]),
};
