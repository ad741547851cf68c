import { execFileSync } from 'node:child_process';
import type { ServerConfig } from './config/types.js';
import { accountId } from './preflight.js';

/** What workers run as; null where that stays as it is. The accounts exist: preflight has found them. */
export function workerIds({ user, group }: Pick<ServerConfig, 'user' | 'group'>): {
  readonly uid: number | null;
  readonly gid: number | null;
} {
  const uid = user === null ? null : accountId('user', user);
  const gid = group === null ? (uid === null ? null : ownGroup(uid)) : accountId('group', group);
  return { uid, gid };
}

/** The number of the group that the accounts' database gives a user. */
function ownGroup(uid: number): number {
  return Number(execFileSync('id', ['-g', String(uid)], { encoding: 'utf8' }));
}
