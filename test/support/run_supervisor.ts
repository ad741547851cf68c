/**
 * Runs the supervisor on what the file in its argument, as JSON, says that loading a configuration gives, with workers of
 * fake_worker.ts; the next argument is how long those of a reload may take.
 * As the successor in an upgrade it does what FAKE_WORKER_MODE's file says: `dies` or is `mute`, else the same as ever, having
 * printed `successor PID`.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { formatConfigError, type LoadResult } from '../../src/config/types.js';
import { createLogger } from '../../src/observe/log.js';
import { joinPredecessor } from '../../src/predecessor.js';
import { ownCommand } from '../../src/program.js';
import { supervise } from '../../src/supervisor.js';

const load = (): LoadResult =>
  JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as LoadResult;

async function run(): Promise<number> {
  const predecessor = joinPredecessor();
  const mode = readFileSync(process.env.FAKE_WORKER_MODE ?? '', 'utf8').trim();
  if (predecessor && mode === 'dies') return 7;
  if (predecessor && mode === 'mute') await new Promise(() => undefined);
  const loaded = load();
  if (!loaded.ok) {
    await predecessor?.failed(loaded.errors.map(formatConfigError));
    return 1;
  }
  const { config } = loaded;
  if (predecessor) process.stdout.write(`successor ${process.pid}\n`);
  return await supervise({
    config,
    load,
    log: createLogger({ level: config.log.level, style: 'text' }),
    workerFile: fileURLToPath(new URL('./fake_worker.js', import.meta.url)),
    version: '0.0.0-test',
    command: ownCommand(),
    predecessor,
    notify: (fields) => void process.stdout.write(`notify ${JSON.stringify(fields)}\n`),
    readyMs: Number(process.argv[3]),
  });
}

process.exit(await run());
