/** What a worker gives up of the rights that it was started with, and what it keeps of them. */
import { getSystemErrorName } from 'node:util';
import { workerIds } from './accounts.js';
import { capabilityBits } from './capabilities.js';
import type { ServerConfig } from './config/types.js';
import { system } from './system.js';

/** What the type declarations of Node 20 leave out. */
interface PosixProcess extends NodeJS.Process {
  initgroups(user: string | number, extraGroup: string | number): void;
}

/** A step that the system refuses although preflight found nothing against it. */
export class PrivilegeError extends Error {
  override readonly name = 'PrivilegeError';
  readonly code = 'GFS_CONFIG';
}

/**
 * Before anything is connected or listened on, so that sockets and gfapi's calls belong to that user. The supervisor has
 * found both accounts already. Threads that are there already, those of V8 and libuv, change too; later ones inherit.
 */
export function dropPrivileges(server: ServerConfig): void {
  // Then it is `user` already, as preflight has seen; and what systemd gave by AmbientCapabilities= stays.
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = workerIds(server);
  const kept = capabilityBits(server.capabilities);
  const isLeavingRoot = uid !== null && uid !== 0;
  if (isLeavingRoot) succeed('PR_SET_KEEPCAPS', system().keepCapabilities(kept));
  // Groups while it is still allowed: the named one, else the user's own, and the user's supplementary ones.
  if (uid !== null && gid !== null) (process as PosixProcess).initgroups(uid, gid);
  if (gid !== null) process.setgid?.(gid);
  if (uid !== null) process.setuid?.(uid);
  if (isLeavingRoot) succeed('capset', system().setCapabilities(kept));
}

function succeed(call: string, errno: number): void {
  if (errno === 0) return;
  const name = getSystemErrorName(-errno);
  throw new PrivilegeError(`[server] user, capabilities: the system refused ${call} (${name})`);
}
