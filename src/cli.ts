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
      return await runReload(command.file, command.pidFile);
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

async function runReload(file: string | null, pidFile: string | null): Promise<number> {
  const problem = nodeProblem(process.versions.node);
  if (problem) return refuse(problem);
  const { reload } = await import('./reload_command.js');
  return await reload(file, pidFile, output);
}

async function serve(file: string): Promise<number> {
  const oldNode = nodeProblem(process.versions.node);
  if (oldNode) return refuse(oldNode);
  const { loadOrExplain } = await import('./check.js');
  const config = loadOrExplain(file, output);
  if (!config) return FAILED;
  const problem = await nativesProblem();
  if (problem) return refuse(problem);
  const { createLogger, logStyle } = await import('./observe/log.js');
  const { loadConfig } = await import('./config/load.js');
  const { supervise } = await import('./supervisor.js');
  const style = logStyle(process.env, process.stderr.isTTY === true);
  return await supervise({
    config,
    load: () => loadConfig(file),
    log: createLogger({ level: config.log.level, style }),
    workerFile: fileURLToPath(new URL('./worker.js', import.meta.url)),
    version: version(),
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
