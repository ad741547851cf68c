/** `npm run soak`. See options.ts for its command line. */
import { writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import type { Gfserve } from '../support/gfserve.js';
import { churn } from './churn.js';
import { fresh } from './fresh.js';
import { logging } from './logging.js';
import { HELP, type Options, readOptions, UsageError } from './options.js';
import { reloads } from './reload.js';
import { Findings, say, tell } from './report.js';
import { mix, topology } from './runs.js';
import { World } from './world.js';

class Interrupted extends Error {
  constructor(readonly signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') {
    super(`interrupted by ${signal}`);
  }
}

function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) return;
      tell(`${name}: taking everything down, once the step under way is done`);
      controller.abort(new Interrupted(name));
    });
  }
  return controller.signal;
}

async function keepLog(server: Gfserve, { log }: Options, failed: boolean): Promise<void> {
  if (log !== null) await writeFile(log, server.log);
  else if (failed) say(`\ngfserve's log:\n${server.log}`);
}

async function soak(options: Options, world: World, stop: AbortSignal): Promise<number> {
  const { server, workers } = await world.startGfserve(stop);
  let ended = false;
  void server.exited.then(() => {
    ended = true;
  });
  try {
    if (options.kind === 'mix') await mix(world, workers, options.minutes, stop);
    else await topology(world, workers, options.cycles, stop);
    if (ended) world.findings.violation('gfserve has ended by itself');
  } catch (error) {
    if (stop.aborted) throw error;
    world.findings.violation(`the run ended early: ${(error as Error).stack}`);
    await world.stopLoad();
  } finally {
    world.findings.print();
    await keepLog(server, options, world.findings.failed);
  }
  return world.findings.failed ? 1 : 0;
}

/** The runs in which nothing fails. */
async function withoutFaults(options: Options, stop: AbortSignal): Promise<number> {
  const findings = new Findings();
  if (options.kind === 'fresh') await fresh(findings, options.writes, stop);
  else if (options.kind === 'reload') await reloads(findings, options.minutes, stop);
  else if (options.kind === 'log') await logging(findings, options, stop);
  else await churn(findings, options, stop);
  findings.printViolations();
  return findings.failed ? 1 : 0;
}

async function main(argv: readonly string[]): Promise<number> {
  const options = readOptions(argv);
  if (options === null) {
    say(HELP);
    return 0;
  }
  const stop = stopSignal();
  tell(`seed ${options.seed}`);
  try {
    if (options.kind !== 'mix' && options.kind !== 'topology') {
      return await withoutFaults(options, stop);
    }
    const world = await World.build(options.seed, stop);
    try {
      return await soak(options, world, stop);
    } finally {
      await world.takeDown();
    }
  } catch (error) {
    if (stop.reason instanceof Interrupted) return 128 + constants.signals[stop.reason.signal];
    throw error;
  }
}

main(process.argv.slice(2)).then(
  (status) => process.exit(status),
  (error: unknown) => {
    const usage = error instanceof UsageError;
    process.stderr.write(`soak: ${error instanceof Error ? error.message : String(error)}\n`);
    if (usage) process.stderr.write('Try: npm run soak -- --help\n');
    process.exit(usage ? 2 : 1);
  },
);
