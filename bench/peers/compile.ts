import { join } from 'node:path';
import { run } from '../../test/support/cluster/exec.js';
import { sourceFile } from '../source.js';

/**
 * Compiles a C program of this folder.
 * @returns its path
 * @throws CommandError with what the compiler said
 */
export async function compile(
  name: string,
  workDir: string,
  flags: readonly string[] = [],
): Promise<string> {
  const program = join(workDir, name);
  const source = sourceFile(`bench/peers/${name}.c`);
  await run(['gcc', '-O2', '-Wall', '-o', program, source, ...flags]);
  return program;
}
