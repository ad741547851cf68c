import { closeSync, constants, fchownSync, openSync } from 'node:fs';
import { errnoOf } from './log.js';

/**
 * Makes the access log's file for a process that may write to it but not make it, as log folders belong to root. One that is
 * there stays as it is: whoever made it has decided whose it is. Returns the errno of what went wrong, or null.
 */
export function makeLogFile(path: string, uid: number, gid: number): string | null {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  try {
    // O_EXCL: a link that somebody put there must not give away the file that it leads to.
    const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o640);
    try {
      fchownSync(fd, uid, gid);
    } finally {
      closeSync(fd);
    }
    return null;
  } catch (e) {
    return errnoOf(e) === 'EEXIST' ? null : errnoOf(e);
  }
}
