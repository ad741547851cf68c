/** How this program was started, and whether a process that it starts can take its place. */
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { basename, delimiter, isAbsolute, join, resolve } from 'node:path';
import type { Command } from './successor.js';
import { successorEnvironment } from './systemd.js';

export interface Start {
  /** How node was called. */
  readonly argv0: string;
  /** The node that runs, which may have been replaced or removed since. */
  readonly execPath: string;
  readonly execArgv: readonly string[];
  /** The script, absolute, and what was behind it. */
  readonly script: string;
  readonly args: readonly string[];
  readonly path: string;
}

/**
 * The same command line once more. Node is looked up as it was at the start, by its name in the PATH or by its path: whatever
 * stands there now is wanted, while `execPath` may be the folder of a version that is gone.
 */
export function commandOf({ argv0, execPath, execArgv, script, args, path }: Start): Command {
  const program = isNode(argv0) ? (lookUp(argv0, path) ?? execPath) : execPath;
  return { program, args: [...execArgv, script, ...args] };
}

/** A process may call itself anything. */
const isNode = (argv0: string): boolean => /^node(js)?[\d.]*$/.test(basename(argv0));

function lookUp(name: string, path: string): string | null {
  const candidates = name.includes('/')
    ? [resolve(name)]
    : path.split(delimiter).flatMap((folder) => (isAbsolute(folder) ? [join(folder, name)] : []));
  return candidates.find(isProgram) ?? null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** This process's own command line once more. */
export function ownCommand(): Command {
  const [, script = '', ...args] = process.argv;
  const { argv0, execPath, execArgv, env } = process;
  return commandOf({ argv0, execPath, execArgv, script, args, path: env.PATH ?? '' });
}

export interface Surroundings {
  readonly pid: number;
  readonly parent: number;
  /** The name of process 1. */
  readonly init: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether systemd, where it wants to hear of this service, can be told of another main process. */
  readonly canNotify: boolean;
}

/** They start one process, and end when it does; so does its container. */
const SMALL_INITS = ['tini', 'docker-init', 'dumb-init', 'catatonit'];

/** Why the place of this process can't be taken by another one; null: it can. */
export function upgradeObstacle(surroundings: Surroundings): string | null {
  const { pid, parent, init, env, canNotify } = surroundings;
  if (pid === 1) {
    return 'gfserve is process 1, with which its container ends: start a container of the new version instead';
  }
  if (parent === 1 && SMALL_INITS.includes(init)) {
    return `gfserve was started by ${init}, which ends the container together with it: start a container of the new version instead`;
  }
  // Of systemd's services only those of Type=notify can get another main process.
  if (env.SYSTEMD_EXEC_PID === String(pid) && !(env.NOTIFY_SOCKET && canNotify)) {
    return 'systemd would end the service together with this process: give the unit Type=notify and restart it once, or restart it instead';
  }
  return null;
}

export function ownSurroundings(canNotify: boolean): Surroundings {
  return {
    pid: process.pid,
    parent: process.ppid,
    init: nameOf(1),
    env: { ...process.env, ...successorEnvironment() },
    canNotify,
  };
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}
