#!/usr/bin/env node
// Loaded before the Node version is known to be right: what needs a new one, or the addon, is imported later.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readArgs, USAGE } from './args.js';
import type { Output } from './check.js';
import type { Problem } from './preflight.js';
import { nativesProblem, nodeProblem } from './requirements.js';

const FAILED = 1;
const WRONG_USAGE = 2;

const output: Output = {
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
};

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const manifest: unknown = JSON.parse(text);
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown';
}

/** Returns the exit status. */
async function main(args: readonly string[]): Promise<number> {
  const parsed = readArgs(args);
  if (!parsed.ok) {
    output.err(`gfserve: ${parsed.message}\nTry "gfserve --help".`);
    return WRONG_USAGE;
  }
  const { command } = parsed;
  switch (command.kind) {
    case 'help':
      process.stdout.write(USAGE);
      return 0;
    case 'version':
      output.out(`gfserve ${version()}`);
      return 0;
    case 'check':
      return await runCheck(command.file, command.connect);
    case 'reload':
    case 'upgrade':
      return await runAsk(command.kind, command.file, command.pidFile);
    case 'status':
      return await runStatus(command.file, command);
    case 'serve':
      return await serve(command.file);
    default:
      return command satisfies never;
  }
}

async function runCheck(file: string, connect: boolean): Promise<number> {
  const problem = nodeProblem(process.versions.node) ?? (connect ? await nativesProblem() : null);
  if (problem) return refuse(problem);
  const { check } = await import('./check.js');
  if (!connect) return await check(file, output, null);
  const { connectOnce, leave } = await import('./storage/volume.js');
  return leave(await check(file, output, connectOnce));
}

async function runAsk(
  what: 'reload' | 'upgrade',
  file: string | null,
  pidFile: string | null,
): Promise<number> {
  const problem = nodeProblem(process.versions.node);
  if (problem) return refuse(problem);
  const { reload, upgrade } = await import('./reload_command.js');
  return await (what === 'reload' ? reload : upgrade)(file, pidFile, output);
}

async function runStatus(
  file: string,
  options: { readonly json: boolean; readonly watch: boolean },
): Promise<number> {
  const problem = nodeProblem(process.versions.node);
  if (problem) return refuse(problem);
  const { status } = await import('./status_command.js');
  const { stdout, env } = process;
  const isTerminal = stdout.isTTY === true;
  return await status(file, options, output, {
    isTerminal,
    // https://no-color.org: when it is set, and not empty.
    colour: isTerminal && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb',
    unicode: /utf-?8/i.test(env.LC_ALL || env.LC_CTYPE || env.LANG || ''),
    // What another program reads is not cut.
    size: () => ({ columns: stdout.columns ?? Number.POSITIVE_INFINITY, rows: stdout.rows ?? 40 }),
    write: (text) => void stdout.write(text),
    onClosed: (listener) => void stdout.once('error', listener),
  });
}

async function serve(file: string): Promise<number> {
  // First, as the gfserve that has started this one is to know why it can't take over.
  const { joinPredecessor } = await import('./predecessor.js');
  const predecessor = joinPredecessor();
  const told: string[] = [];
  const fail = async (problem: Problem | null): Promise<number> => {
    if (problem) {
      refuse(problem);
      told.push(`${problem.code}: ${problem.message}`);
    }
    await predecessor?.failed(told);
    return FAILED;
  };
  const oldNode = nodeProblem(process.versions.node);
  if (oldNode) return await fail(oldNode);
  const { loadOrExplain } = await import('./check.js');
  const config = loadOrExplain(file, {
    out: output.out,
    err: (line) => {
      output.err(line);
      told.push(line);
    },
  });
  if (!config) return await fail(null);
  const problem = await nativesProblem();
  if (problem) return await fail(problem);
  const { createLogger, logStyle } = await import('./observe/log.js');
  const { loadConfig } = await import('./config/load.js');
  const { ownCommand } = await import('./program.js');
  const { supervise } = await import('./supervisor.js');
  const { notify, serviceManager } = await import('./systemd.js');
  const style = logStyle(process.env, process.stderr.isTTY === true);
  return await supervise({
    config,
    load: () => loadConfig(file),
    log: createLogger({ level: config.log.level, style }),
    workerFile: fileURLToPath(new URL('./worker.js', import.meta.url)),
    version: version(),
    command: ownCommand(),
    predecessor,
    ...(serviceManager() ? { notify } : {}),
  });
}

function refuse({ code, message }: Problem): number {
  output.err(`${code}: ${message}`);
  return FAILED;
}

// `gfserve check | head -1`: a reader that has left is no reason for a stack trace.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

process.exit(await main(process.argv.slice(2)));
