import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { errnoOf } from './observe/log.js';
import type { Problem } from './preflight.js';

/** The supervisor's process title. A pid-file's number belongs to gfserve only if its process has it. */
export const SUPERVISOR_TITLE = 'gfserve';

/** Writes this process's number. Refuses when the file names another gfserve that runs; an outdated one is replaced. */
export function writePidFile(path: string): Problem | null {
  const fail = (message: string): Problem => ({
    code: 'GFS_CONFIG',
    message: `[server] pid-file ${path}: ${message}`,
  });
  const owner = runningSupervisor(path);
  if (owner !== null && owner !== process.pid) {
    return fail(
      `another gfserve runs as process ${owner}: stop it ("kill ${owner}") or choose another file`,
    );
  }
  const errno = putFile(path, `${process.pid}\n`);
  if (errno === null) return null;
  return fail(`it can't be written (${errno}): check its directory and the rights to it`);
}

/** Writes a whole file in place of what is there. null, or the errno of what went wrong. */
export function putFile(path: string, text: string): string | null {
  const temporary = `${path}.${process.pid}`;
  try {
    // Renamed into place, so that nobody reads half of it, and a symbolic link at the path is not followed.
    rmSync(temporary, { force: true });
    writeFileSync(temporary, text, { flag: 'wx', mode: 0o644 });
    renameSync(temporary, path);
    return null;
  } catch (e) {
    discard(temporary);
    return errnoOf(e);
  }
}

/** The process that the file names, if it is a gfserve that runs. */
export function runningSupervisor(path: string): number | null {
  const pid = readPid(path);
  return pid !== null && isSupervisor(pid) ? pid : null;
}

/** Whether the file names this process. */
export function isPidFileOurs(path: string): boolean {
  return readPid(path) === process.pid;
}

/**
 * Writes this process's number, whoever's is there: for who takes another gfserve's place, or takes it back. null, or the
 * errno of what went wrong.
 */
export function takePidFile(path: string): string | null {
  return isPidFileOurs(path) ? null : putFile(path, `${process.pid}\n`);
}

/** Never throws. */
export function discard(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // A read-only or vanished directory: nothing to be done.
  }
}

function readPid(path: string): number | null {
  const text = readText(path).trim();
  return /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : null;
}

/** A pid alone says little: after a reboot, or in a container, something else may have it. */
function isSupervisor(pid: number): boolean {
  return readText(`/proc/${pid}/comm`).trim() === SUPERVISOR_TITLE;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
