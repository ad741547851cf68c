/** Runs a program to its end. */
import { spawnSync } from 'node:child_process';

const MOST_OUTPUT = 256 << 20;

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly input?: string;
}

/** What it printed; throws with all of it where it fails. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): string {
  const { stdout, stderr, status, error } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: MOST_OUTPUT,
    ...options,
  });
  if (error) throw new Error(`${command} could not be started: ${error.message}`);
  if (status !== 0) {
    throw new Error(`${command} ${args.join(' ')}\nended with ${status}\n${stdout}${stderr}`);
  }
  return stdout;
}
