/**
 * Finding and stopping a cluster's processes. A process is the cluster's when it runs a GlusterFS
 * program and its command line names a path inside the cluster's folder; nothing else is ever touched.
 */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { delay } from './exec.js';

/** One process as /proc showed it. */
export interface Process {
  readonly pid: number;
  /** Clock ticks since boot; with the pid it names one process for ever, in spite of pid reuse. */
  readonly startTime: number;
  /** The state letter of proc(5): R, S, D, T (stopped), Z... */
  readonly state: string;
  readonly argv: readonly string[];
}

const GLUSTER_PROGRAMS = new Set(['glusterfsd', 'glusterfs', 'glusterd', 'gluster', 'glfsheal']);

/** State and start time of a process, or null when there is none (any more). */
export async function statOf(pid: number): Promise<{ state: string; startTime: number } | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (text === null) return null;
  // The second field, the name in parentheses, may itself hold blanks and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '?', startTime: Number(fields[19]) };
}

/** True while this very process lives; a zombie is dead. */
export async function isAlive(process: Pick<Process, 'pid' | 'startTime'>): Promise<boolean> {
  const stat = await statOf(process.pid);
  return stat !== null && stat.startTime === process.startTime && !'ZX'.includes(stat.state);
}

/** Every process of the cluster in `dir`, which is an absolute path without symlinks. */
export async function clusterProcesses(dir: string): Promise<Process[]> {
  const entries = await readdir('/proc');
  const pids = entries.filter((entry) => /^\d+$/.test(entry)).map(Number);
  const found = await Promise.all(pids.map((pid) => clusterProcess(pid, dir)));
  return found.filter((process) => process !== null);
}

async function clusterProcess(pid: number, dir: string): Promise<Process | null> {
  if (pid === process.pid) return null;
  const cmdline = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  if (!cmdline.includes(`${dir}/`)) return null;
  const argv = cmdline.split('\0').slice(0, -1);
  const program = basename(await readlink(`/proc/${pid}/exe`).catch(() => ''));
  // glusterd configures geo-replication with a short-lived Python child when it starts.
  const isGsyncd = argv.some((arg) => /\/gsyncd(\.py)?$/.test(arg));
  if (!GLUSTER_PROGRAMS.has(program.replace(/ \(deleted\)$/, '')) && !isGsyncd) return null;
  const stat = await statOf(pid);
  if (stat === null || 'ZX'.includes(stat.state)) return null;
  return { pid, argv, ...stat };
}

/** The value that follows `flag` on the command line. */
export function argAfter(process: Process, flag: string): string | null {
  const index = process.argv.indexOf(flag);
  return index < 0 ? null : (process.argv[index + 1] ?? null);
}

/** Sends a signal to this very process; false when it is gone. */
export async function signal(target: Process, name: NodeJS.Signals): Promise<boolean> {
  if (!(await isAlive(target))) return false;
  try {
    process.kill(target.pid, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/**
 * Ends processes: SIGTERM (and SIGCONT, or a stopped one would never see it), then SIGKILL for those
 * that live on after `graceMs` milliseconds.
 * @throws Error when one survives SIGKILL for 10 s (it hangs in the kernel)
 */
export async function terminate(targets: readonly Process[], graceMs = 2_000): Promise<void> {
  for (const target of targets) {
    await signal(target, 'SIGTERM');
    await signal(target, 'SIGCONT');
  }
  const stubborn = await survivors(targets, graceMs);
  for (const target of stubborn) await signal(target, 'SIGKILL');
  const immortal = await survivors(stubborn, 10_000);
  if (immortal.length > 0) {
    throw new Error(`can't kill process ${immortal.map((target) => target.pid).join(', ')}`);
  }
}

/** Ends processes at once with SIGKILL and waits until they are gone. */
export async function kill(targets: readonly Process[]): Promise<void> {
  for (const target of targets) await signal(target, 'SIGKILL');
  const immortal = await survivors(targets, 10_000);
  if (immortal.length > 0) {
    throw new Error(`can't kill process ${immortal.map((target) => target.pid).join(', ')}`);
  }
}

async function survivors(targets: readonly Process[], timeoutMs: number): Promise<Process[]> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const alive = await Promise.all(targets.map(isAlive));
    const left = targets.filter((_, index) => alive[index]);
    if (left.length === 0 || Date.now() >= deadline) return left;
    await delay(15);
  }
}
