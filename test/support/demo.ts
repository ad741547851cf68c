/**
 * `npm run demo`: a GlusterFS cluster with two volumes, a site on them and gfserve in front, until Ctrl-C. With
 * `--check` it compares what is served with what is on the volumes instead. See demo/options.ts.
 */
import { constants } from 'node:os';
import { runChecks } from './demo/checks.js';
import { HELP, type Options, readOptions, UsageError } from './demo/options.js';
import { choosePorts } from './demo/ports.js';
import { say, seconds, step } from './demo/progress.js';
import { showTour } from './demo/tour.js';
import { cleanLeftovers, World } from './demo/world.js';

/** Why the demo ends before it is through. */
class Interrupted extends Error {
  constructor(readonly signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`);
  }
}

/** Aborted by the first SIGINT, SIGTERM or SIGHUP; from then on the demo only cleans up, whatever else comes. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) return;
      say();
      step(`${name}: taking everything down, once the step under way is done`);
      controller.abort(new Interrupted(name));
    });
  }
  return controller.signal;
}

/** Builds, serves or checks, and takes down. @returns the exit status */
async function run(options: Options, stop: AbortSignal): Promise<number> {
  await cleanLeftovers();
  const world = new World(await choosePorts(options), options.check, stop);
  let status = 1;
  try {
    await world.build();
    if (options.check) status = (await runChecks(world, stop)) ? 0 : 1;
    else status = await serve(world, stop);
  } catch (error) {
    status = failure(error, stop);
  }
  try {
    await world.takeDown();
  } catch (error) {
    say(`demo: ${messageOf(error)}`);
    status ||= 1;
  }
  if (options.check) {
    const outcome = status === 0 ? 'all is well' : status > 128 ? 'interrupted' : 'FAILED';
    say(`${outcome}, ${seconds().toFixed(1)} s`);
  }
  return status;
}

/** Until a signal comes, or gfserve ends. */
async function serve(world: World, stop: AbortSignal): Promise<number> {
  step('ready');
  showTour(world);
  const stopped = new Promise<null>((resolve) => {
    stop.addEventListener('abort', () => resolve(null));
    if (stop.aborted) resolve(null);
  });
  const exit = await Promise.race([stopped, world.gfserve?.exit ?? stopped]);
  if (exit === null) return 0;
  step('gfserve has ended by itself; taking the rest down');
  return exit.code === 0 ? 0 : 1;
}

/** What is thrown after an interruption is its consequence: Ctrl-C also reaches the programs that are run here. */
function failure(error: unknown, stop: AbortSignal): number {
  const reason: unknown = stop.aborted ? stop.reason : error;
  if (reason instanceof Interrupted) return 128 + constants.signals[reason.signal];
  say(`demo: ${messageOf(reason)}`);
  return 1;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function main(argv: readonly string[]): Promise<number> {
  try {
    const options = readOptions(argv);
    if (options.kind === 'help') {
      say(HELP);
      return 0;
    }
    return await run(options, stopSignal());
  } catch (error) {
    process.stderr.write(`demo: ${messageOf(error)}\n`);
    if (!(error instanceof UsageError)) return 1;
    process.stderr.write('Try: npm run demo -- --help\n');
    return 2;
  }
}

// `npm run demo | head`: a reader that has left must not keep us from cleaning up.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

process.exit(await main(process.argv.slice(2)));
