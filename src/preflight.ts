import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { dirname } from 'node:path';
import { hasCapability } from './capabilities.js';
import type { Config, ListenAddress, ServerConfig } from './config/types.js';
import type { StartErrorCode } from './errors.js';
import { errnoOf } from './observe/log.js';
import { type Held, NOTHING_HELD, socketPath } from './sockets.js';

/** Why gfserve can't start, and what to do about it; one line. */
export interface Problem {
  readonly code: StartErrorCode;
  readonly message: string;
}

/**
 * Everything that is known to keep the workers from starting, found before the first is forked. Listeners are tried one
 * after the other and let go again; those on what is `held` by workers that these are to follow can't be tried.
 */
export async function preflight({ server }: Config, held: Held = NOTHING_HELD): Promise<Problem[]> {
  const found: (Problem | null)[] = [
    ...accountProblems(server.user, server.group),
    capabilityProblem(server),
  ];
  for (const address of server.listen) {
    if (address.kind === 'tcp') {
      if (held.ports.has(address.port)) continue;
      found.push(portProblem(server, address) ?? (await tcpProblem(address)));
    } else {
      const paths = new Set(
        Array.from({ length: server.workers }, (_, i) => socketPath(address.path, i + 1)),
      );
      for (const path of paths) {
        if (!held.paths.has(path)) found.push(await socketProblem(address, path));
      }
    }
  }
  return found.filter((problem) => problem !== null);
}

/** What workers are to have must be there to be kept, and there must be a user to keep it for. */
function capabilityProblem({ capabilities, user }: ServerConfig): Problem | null {
  if (capabilities.length === 0) return null;
  const fail = (message: string): Problem => ({
    code: 'GFS_CONFIG',
    message: `[server] capabilities: ${message}`,
  });
  if (process.geteuid?.() === 0) {
    return user === null || accountId('user', user) === 0
      ? fail('workers stay root, who may do all of it and more: set user, or leave the key out')
      : null;
  }
  const missing = capabilities.filter((name) => !hasCapability(name));
  if (missing.length === 0) return null;
  const names = missing.map((name) => `CAP_${name.toUpperCase()}`).join(' ');
  return fail(
    `gfserve was started without ${names} and is not root, who could give it: start it as root with user, or by systemd with AmbientCapabilities=${names}`,
  );
}

/** Workers listen after they have become `user`, who may not open the low ports. */
function portProblem(
  server: ServerConfig,
  address: ListenAddress & { kind: 'tcp' },
): Problem | null {
  // Without root, workers may what this process may, which then tries it.
  if (process.geteuid?.() !== 0) return null;
  if (server.user === null || accountId('user', server.user) === 0) return null;
  if (server.capabilities.includes('net_bind_service')) return null;
  const lowest = Number(readDatabase('/proc/sys/net/ipv4/ip_unprivileged_port_start') || 1024);
  if (address.port >= lowest) return null;
  return {
    code: 'GFS_LISTEN',
    message: `[server] listen: ${address.text}: ports below ${lowest} are not open to user "${server.user}": set capabilities = net_bind_service, or listen on a higher port behind a proxy`,
  };
}

/**
 * Workers listen with SO_REUSEPORT, so that they share a port; a second gfserve, or one that was not stopped, would
 * silently share it too and get a part of the connections. This one tries without, which only works on a free port.
 */
function tcpProblem(address: ListenAddress & { kind: 'tcp' }): Promise<Problem | null> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (e) => resolve(listenProblem('[server]', address, errnoOf(e))));
    probe.listen({ host: address.host, port: address.port, exclusive: true }, () =>
      probe.close(() => resolve(null)),
    );
  });
}

async function socketProblem(address: ListenAddress, path: string): Promise<Problem | null> {
  const state = await socketState(path);
  return state === 'free' || state === 'stale' ? null : listenProblem('[server]', address, state);
}

/**
 * What is at a unix socket's path: nothing, a socket that nobody listens on any more, or the errno of what is in the
 * way: EADDRINUSE for a live socket, ENOTSOCK for another file, and what the system says.
 */
export async function socketState(path: string): Promise<'free' | 'stale' | string> {
  try {
    if (!lstatSync(path).isSocket()) return 'ENOTSOCK';
  } catch (e) {
    if (errnoOf(e) !== 'ENOENT') return errnoOf(e);
    return existsSync(dirname(path)) ? 'free' : 'ENOENT';
  }
  return await new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve('EADDRINUSE');
    });
    socket.once('error', (e) => {
      const code = errnoOf(e);
      if (code === 'ECONNREFUSED') resolve('stale');
      else if (code === 'ENOENT') resolve('free');
      // A full backlog: somebody is there, and busy.
      else resolve(code === 'EAGAIN' ? 'EADDRINUSE' : code);
    });
  });
}

/** `section` is where the address stands in the configuration, with its brackets; `errno` why it can't be had. */
export function listenProblem(section: string, address: ListenAddress, errno: string): Problem {
  const reason = address.kind === 'tcp' ? tcpReason(address.port, errno) : socketReason(errno);
  return { code: 'GFS_LISTEN', message: `${section} listen ${address.text}: ${reason}` };
}

function tcpReason(port: number, errno: string): string {
  switch (errno) {
    case 'EADDRINUSE':
      return `something listens there already, maybe another gfserve: stop it ("ss -ltnp sport = :${port}" names it) or choose another port (EADDRINUSE)`;
    case 'EACCES':
      return `port ${port} needs a privilege: start as root with [server] user and capabilities = net_bind_service, or by systemd with AmbientCapabilities=CAP_NET_BIND_SERVICE, or choose a port from 1024 (EACCES)`;
    case 'EADDRNOTAVAIL':
      return 'this machine does not have that address: "ip address" lists those it has (EADDRNOTAVAIL)';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name has no address: check it, or write the address (${errno})`;
    default:
      return `it can't be listened on (${errno})`;
  }
}

function socketReason(errno: string): string {
  switch (errno) {
    case 'EADDRINUSE':
      return 'a process listens there already, maybe another gfserve: stop it or choose another path (EADDRINUSE)';
    case 'ENOTSOCK':
      return 'there is a file of that name that is not a socket: remove it or choose another path (ENOTSOCK)';
    case 'ENOENT':
      return 'its directory does not exist: create it (ENOENT)';
    case 'EACCES':
      return 'it may not be reached: give gfserve access to its directory (EACCES)';
    default:
      return `it can't be listened on (${errno})`;
  }
}

function accountProblems(user: string | null, group: string | null): (Problem | null)[] {
  return [accountProblem('user', user), accountProblem('group', group)];
}

function accountProblem(key: 'user' | 'group', name: string | null): Problem | null {
  if (name === null) return null;
  const id = accountId(key, name);
  const fail = (message: string): Problem => ({
    code: 'GFS_CONFIG',
    message: `[server] ${key}: ${message}`,
  });
  if (id === null) {
    const command = key === 'user' ? 'adduser --system --group' : 'addgroup --system';
    return fail(`there is no ${key} "${name}": make it ("${command} ${name}") or correct the name`);
  }
  const own = key === 'user' ? process.geteuid?.() : process.getegid?.();
  return process.geteuid?.() === 0 || own === id
    ? null
    : fail(`only root can become "${name}": start gfserve as root, or leave the key out`);
}

/**
 * The number of a user or a group, which may also be written as one; null: there is none of that name. Looks into the
 * files first, then asks getent, which knows of LDAP and the like.
 */
export function accountId(kind: 'user' | 'group', name: string): number | null {
  if (/^[0-9]+$/.test(name)) return Number(name);
  const database = kind === 'user' ? 'passwd' : 'group';
  return (
    idIn(readDatabase(`/etc/${database}`), name) ??
    idIn(
      spawnSync('getent', [database, name], { encoding: 'utf8', timeout: 5000 }).stdout ?? '',
      name,
    )
  );
}

function readDatabase(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** passwd(5) and group(5) both begin with name, password, number. */
function idIn(text: string, name: string): number | null {
  for (const line of text.split('\n')) {
    const [entry, , id] = line.split(':');
    if (entry === name && id !== undefined && /^[0-9]+$/.test(id)) return Number(id);
  }
  return null;
}
