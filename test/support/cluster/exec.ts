/** Running the commands a cluster is made with, and saying clearly what failed when one does. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** A command that ended badly: its words, how it ended, and what it printed. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  constructor(
    readonly command: readonly string[],
    readonly outcome: string,
    readonly output: string,
  ) {
    const said = output.trim() === '' ? '(it printed nothing)' : output.trim();
    super(`${command.join(' ')}: ${outcome}\n${said}`);
  }
}

/**
 * The environment our children get. Sanitizer preloads and Node's options are for the caller only,
 * and the sbin folders are missing from many users' PATH.
 */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const path = `${process.env.PATH ?? '/usr/bin:/bin'}:/usr/local/sbin:/usr/sbin:/sbin`;
  const home = process.env.HOME;
  return { PATH: path, LC_ALL: 'C', ...(home === undefined ? {} : { HOME: home }) };
}

function outcomeOf(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `exit status ${code ?? '?'}` : `killed by ${signal}`;
}

function startError(command: readonly string[], error: unknown): CommandError {
  const code = (error as NodeJS.ErrnoException).code;
  const text = code === 'ENOENT' ? 'not found; is its Debian package installed?' : String(error);
  return new CommandError(command, 'could not be started', text);
}

/**
 * Runs a command to its end and gives its standard output.
 * @param timeoutMs after this many milliseconds the command is killed and the call rejects
 * @throws CommandError when it can't be started, fails, or takes too long
 */
export function run(command: readonly string[], timeoutMs = 150_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const [program = '', ...args] = command;
    const child = spawn(program, args, {
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    let timedOut = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(startError(command, error));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) {
        resolve(stdout);
        return;
      }
      const outcome = timedOut ? `no answer for ${timeoutMs} ms` : outcomeOf(code, signal);
      reject(new CommandError(command, outcome, `${stderr}\n${stdout}`));
    });
  });
}

/**
 * Starts a daemon: waits for the foreground process to exit, not for its pipes to close, because the
 * daemon it leaves behind would keep those open. What it says goes to `outputFile`.
 * @param env what its environment has beside the usual
 * @throws CommandError when it can't be started or its foreground process fails
 */
export function runDaemon(
  command: readonly string[],
  outputFile: string,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const [program = '', ...args] = command;
    const output = openSync(outputFile, 'a');
    const child = spawn(program, args, {
      env: { ...cleanEnvironment(), ...env },
      stdio: ['ignore', output, output],
    });
    closeSync(output);
    child.on('error', (error) => reject(startError(command, error)));
    child.on('exit', (code, signal) => {
      if (code === 0) {
        resolve();
        return;
      }
      void tail(outputFile).then((text) =>
        reject(new CommandError(command, outcomeOf(code, signal), text)),
      );
    });
  });
}

/** The last lines of a file, or '' when it can't be read. */
export async function tail(file: string, lines = 12): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}

/** Waits `ms` milliseconds. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Asks `check` again and again until it says true.
 * @param timeoutMs how long to go on, in milliseconds
 * @returns whether it became true in time
 */
export async function waitUntil(
  check: () => Promise<boolean>,
  timeoutMs: number,
  everyMs = 40,
): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (await check()) return true;
    if (Date.now() >= deadline) return false;
    await delay(everyMs);
  }
}
