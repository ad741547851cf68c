/** Other programs: whether they are there, and how they are started. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The sbin folders are missing from many users' PATH. */
export const PATH = `${process.env.PATH ?? '/usr/bin:/bin'}:/usr/local/sbin:/usr/sbin:/sbin`;

/** Enough for 10,000 connections, and for all the files that nginx keeps open. */
const WANTED_DESCRIPTORS = 300_000;

/** As many as were wanted, or as many as we may have. */
function descriptorLimit(): number {
  const { status } = spawnSync('prlimit', [`--nofile=${WANTED_DESCRIPTORS}`, 'true'], {
    stdio: 'ignore',
  });
  if (status === 0) return WANTED_DESCRIPTORS;
  const limits = readFileSync('/proc/self/limits', 'utf8');
  return Number(/^Max open files\s+\d+\s+(\d+)/m.exec(limits)?.[1] ?? 1024);
}

/** How many descriptors each process of ours may have. */
export const DESCRIPTORS = descriptorLimit();

/** What comes before a command that starts a process of ours: however we end, the kernel ends it with us. */
export const OWN: readonly [string, ...string[]] = [
  'setpriv',
  ...['--pdeathsig', 'KILL', 'prlimit', `--nofile=${DESCRIPTORS}`],
];

/** Whether a program can be run at all. */
export function isInstalled(program: string): boolean {
  const env = { ...process.env, PATH };
  return spawnSync(program, ['--version'], { env, stdio: 'ignore' }).error === undefined;
}
