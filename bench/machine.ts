/** The machine: what it is, and how busy it was. */
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { PATH } from './programs.js';

export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly kernel: string;
  readonly memoryBytes: number;
  readonly node: string;
  /** Of the programs that take part, by name; those that are missing are left out. */
  readonly versions: Readonly<Record<string, string>>;
}

const VERSION_COMMANDS: Readonly<Record<string, readonly [string, ...string[]]>> = {
  glusterfs: ['glusterfs', '--version'],
  uwsgi: ['uwsgi', '--version'],
  nginx: ['nginx', '-v'],
  wrk: ['wrk', '-v'],
};

/** The first version number a program prints; null when it can't be run. */
function versionOf([program, ...args]: readonly [string, ...string[]]): string | null {
  const { error, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, PATH },
  });
  if (error !== undefined) return null;
  return /\d+\.\d+(\.\d+)?/.exec(`${stdout}${stderr}`)?.[0] ?? '?';
}

export function describeMachine(): Machine {
  const versions: Record<string, string> = {};
  for (const [name, command] of Object.entries(VERSION_COMMANDS)) {
    const version = versionOf(command);
    if (version !== null) versions[name] = version;
  }
  return {
    cores: cpus().length,
    cpu: cpus()[0]?.model.trim() ?? '?',
    kernel: release(),
    memoryBytes: totalmem(),
    node: process.version,
    versions,
  };
}

/** Time of all processors since boot, in clock ticks. */
export interface MachineTime {
  readonly total: number;
  /** Nothing to do. */
  readonly idle: number;
}

/** From /proc/stat; see proc(5). Time stolen by the host counts as busy. */
export async function machineTime(): Promise<MachineTime> {
  const [line = ''] = (await readFile('/proc/stat', 'utf8')).split('\n');
  // user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user already.
  const fields = line.split(/\s+/).slice(1, 9).map(Number);
  const idle = (fields[3] ?? 0) + (fields[4] ?? 0);
  return { total: fields.reduce((sum, ticks) => sum + ticks, 0), idle };
}
