/**
 * Runs the supervisor on what the file in its argument, as JSON, says that loading a configuration gives, with workers of
 * fake_worker.ts; the next argument is how long those of a reload may take.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { LoadResult } from '../../src/config/types.js';
import { createLogger } from '../../src/observe/log.js';
import { supervise } from '../../src/supervisor.js';

const load = (): LoadResult =>
  JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as LoadResult;
const loaded = load();
if (!loaded.ok) throw new Error('the first configuration has errors');
const { config } = loaded;

process.exit(
  await supervise({
    config,
    load,
    log: createLogger({ level: config.log.level, style: 'text' }),
    workerFile: fileURLToPath(new URL('./fake_worker.js', import.meta.url)),
    version: '0.0.0-test',
    readyMs: Number(process.argv[3]),
  }),
);
