/**
 * Listening sockets on their way between processes. The supervisor keeps one handle of each socket that a worker listens
 * on, and hands it to the worker that takes this one's place in a reload, or to the supervisor that takes its own in an
 * upgrade: what waits to be accepted then is lost by no close, as the socket itself stays.
 */
import net, { type Server } from 'node:net';
import type { Config, ListenAddress } from './config/types.js';

/** Node's own object for a socket, in the only form that a message can carry without reading from it. */
export interface SocketHandle {
  /** Negative: it is closed. */
  readonly fd: number;
  close(): void;
}

/** The sockets of one worker, by their keys. */
export type Sockets = ReadonlyMap<string, SocketHandle>;

/** `%w` in a unix listener's path is the worker's number. */
export function socketPath(path: string, number: number): string {
  return path.replaceAll('%w', String(number));
}

/** Two listeners with the same key can use the same socket. */
export function socketKey(address: ListenAddress, number: number): string {
  return address.kind === 'tcp'
    ? `tcp:${address.host.toLowerCase()}:${address.port}`
    : `unix:${socketPath(address.path, number)}`;
}

/** What a server of this configuration holds: other processes may not have it, and its own successor may. */
export interface Held {
  readonly ports: ReadonlySet<number>;
  /** Of unix sockets, `%w` already replaced. */
  readonly paths: ReadonlySet<string>;
}

export const NOTHING_HELD: Held = { ports: new Set(), paths: new Set() };

export function heldBy({ server: { listen, workers } }: Config): Held {
  const numbers = Array.from({ length: workers }, (_, i) => i + 1);
  return {
    ports: new Set(listen.flatMap((each) => (each.kind === 'tcp' ? [each.port] : []))),
    paths: new Set(
      listen.flatMap((each) =>
        each.kind === 'unix' ? numbers.map((number) => socketPath(each.path, number)) : [],
      ),
    ),
  };
}

/** The paths of all unix sockets, the admin listener's too. */
export function unixPaths(config: Config): ReadonlySet<string> {
  const { listen } = config.admin;
  const { paths } = heldBy(config);
  return listen?.kind === 'unix' ? new Set([...paths, listen.path]) : paths;
}

/** What node:net does not declare; it is what its `listen({ fd })` is made of, in Node 20 and 22. */
interface NetInside {
  _createServerHandle(
    address: null,
    port: 0,
    type: -1,
    fd: number,
  ): SocketHandle | number | null | undefined;
}

/** Takes the descriptor over. Accepts nothing by itself. Throws where it is no socket. */
export function wrapSocket(fd: number): SocketHandle {
  const handle = (net as unknown as NetInside)._createServerHandle(null, 0, -1, fd);
  if (!isSocketHandle(handle)) throw new Error(`descriptor ${fd} is no listening socket`);
  return handle;
}

/** What a server of Node's listens on; its own. null: it does not. */
export function handleOf(server: Server): SocketHandle | null {
  const { _handle } = server as unknown as { _handle: unknown };
  return isSocketHandle(_handle) ? _handle : null;
}

export function isSocketHandle(value: unknown): value is SocketHandle {
  return (
    typeof value === 'object' &&
    value !== null &&
    'fd' in value &&
    typeof value.fd === 'number' &&
    'close' in value &&
    typeof value.close === 'function'
  );
}
