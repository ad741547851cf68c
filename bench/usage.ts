/** CPU time and memory of processes, from /proc. */
import { readdir, readFile, writeFile } from 'node:fs/promises';

/** sysconf(_SC_CLK_TCK), which is 100 on every Linux that Node.js runs on. */
const TICKS_PER_SECOND = 100;

interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  /** User and system time of all its threads, in seconds. */
  readonly cpuSeconds: number;
}

async function statOf(pid: number): Promise<ProcessStat | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (text === null) return null;
  // The second field, the name in parentheses, may itself hold blanks and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { pid, parent: Number(fields[1]), cpuSeconds: ticks / TICKS_PER_SECOND };
}

/** A process and all its descendants. */
export async function processTree(root: number): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
  const stats = (await Promise.all(pids.map(statOf))).filter((stat) => stat !== null);
  const tree = [root];
  for (let at = 0; at < tree.length; at++) {
    tree.push(...stats.filter(({ parent }) => parent === tree[at]).map(({ pid }) => pid));
  }
  return tree;
}

/** CPU time so far, in seconds, of those processes that live. */
export async function cpuSeconds(pids: readonly number[]): Promise<number> {
  const stats = await Promise.all(pids.map(statOf));
  return stats.reduce((sum, stat) => sum + (stat?.cpuSeconds ?? 0), 0);
}

/** Forgets the peak so far. */
export async function resetPeakMemory(pids: readonly number[]): Promise<void> {
  await Promise.all(
    pids.map((pid) => writeFile(`/proc/${pid}/clear_refs`, '5').catch(() => undefined)),
  );
}

/** The sum of a field of the processes' /proc/PID/status, in bytes. */
async function memory(pids: readonly number[], field: RegExp): Promise<number> {
  let sum = 0;
  for (const pid of pids) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    sum += Number(field.exec(status)?.[1] ?? 0) * 1024;
  }
  return sum;
}

/** The sum of the processes' peaks of resident memory since `resetPeakMemory`, in bytes. */
export const peakMemory = (pids: readonly number[]): Promise<number> =>
  memory(pids, /^VmHWM:\s+(\d+)/m);

/** The sum of the processes' resident memory, in bytes. */
export const residentMemory = (pids: readonly number[]): Promise<number> =>
  memory(pids, /^VmRSS:\s+(\d+)/m);
