import type { Config, ListenAddress, MountConfig, VolumeConfig } from './config/types.js';

/** How the configuration is shown to people: one line for each listener, volume and mount. */
export interface Description {
  readonly listeners: readonly string[];
  readonly volumes: readonly string[];
  readonly mounts: readonly string[];
}

/** For example `http://127.0.0.1:8080`, `volume a  servers b, c  threads 8`, `mount main  /  example.org -> a:/htdocs`. */
export function describe(config: Config): Description {
  return {
    listeners: config.server.listen.map(describeAddress),
    volumes: aligned('volume', config.volumes, describeVolume),
    mounts: aligned('mount', config.mounts, describeMount),
  };
}

/** A URL that can be followed, as far as there is one. */
export function describeAddress(address: ListenAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  if (address.host === '') return `http://localhost:${address.port} and every other address`;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `http://${host}:${address.port}`;
}

function aligned<T extends { readonly name: string }>(
  kind: string,
  items: readonly T[],
  show: (item: T) => string,
): string[] {
  const width = Math.max(...items.map(({ name }) => name.length));
  return items.map((item) => `${kind} ${item.name.padEnd(width)}  ${show(item)}`);
}

function describeVolume({ name, volname, servers, volfile, threads }: VolumeConfig): string {
  const cluster = volname === name ? '' : `${volname}  `;
  const source =
    volfile === null
      ? `servers ${servers.map(({ text }) => text).join(', ')}`
      : `volfile ${volfile}`;
  return `${cluster}${source}  threads ${threads}`;
}

function describeMount({ path, hosts, volume, root }: MountConfig): string {
  const where = hosts.length === 0 ? path : `${path}  ${hosts.join(', ')}`;
  return `${where} -> ${volume}:${root}`;
}

/**
 * What nginx needs to be told, where a listener looks as if nginx stood before it. Its default for upstreams is
 * HTTP/1.0 before 1.29.7, which uWebSockets.js answers with 505, and it would use idle connections just as they time out.
 */
export function proxyHint(config: Config): string | null {
  return config.server.listen.some(isLocal)
    ? 'behind nginx: put `proxy_http_version 1.1; proxy_set_header Connection "";` into its location and `keepalive_timeout 5s;` into its upstream block'
    : null;
}

function isLocal(address: ListenAddress): boolean {
  if (address.kind === 'unix') return true;
  return /^(?:127\.|localhost$|::1$)/i.test(address.host);
}
