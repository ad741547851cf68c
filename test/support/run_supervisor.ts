/** Runs the supervisor on the configuration in its argument, as JSON, with workers of fake_worker.ts. */
import { fileURLToPath } from 'node:url';
import type { Config } from '../../src/config/types.js';
import { createLogger } from '../../src/observe/log.js';
import { supervise } from '../../src/supervisor.js';

const config = JSON.parse(process.argv[2] ?? '') as Config;
process.exit(
  await supervise({
    config,
    log: createLogger({ level: config.log.level, style: 'text' }),
    workerFile: fileURLToPath(new URL('./fake_worker.js', import.meta.url)),
    version: '0.0.0-test',
  }),
);
