/** `npm run bench`. See options.ts for its command line. */
import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Cleanup } from './cleanup.js';
import { PARTS } from './dataset/parts.js';
import { judgeFaults, renderFaults } from './faults/report.js';
import { judge, type Verdict } from './goals.js';
import { help } from './help.js';
import { describeMachine, type Machine } from './machine.js';
import { measure } from './measure.js';
import { type Options, readOptions, UsageError } from './options.js';
import { outcomes, renderOverview } from './overview.js';
import { parseRecord, type RunRecord, samplesOf } from './record.js';
import { renderScenario } from './report.js';
import { plot } from './svg/plot.js';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const started = performance.now();
/** Progress, beside the report: with the seconds since the start. */
const tell = (line: string): void => {
  const seconds = ((performance.now() - started) / 1000).toFixed(0).padStart(4);
  process.stderr.write(`${seconds} s  ${line}\n`);
};

function printMachine(machine: Machine): void {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const memory = Math.round(machine.memoryBytes / 1024 ** 3);
  say(`machine: ${machine.cores} × ${machine.cpu}, ${memory} GiB, Linux ${machine.kernel}`);
  say(`versions: node ${machine.node}, ${versions.join(', ')}`);
}

/** Prints the report. @returns which goals are met */
function report(record: RunRecord): readonly Verdict[] {
  const { machine, peers, volumeOptions, generator, rounds, seconds, mostFiles, faults } = record;
  const all = outcomes((name) => samplesOf(record, name));
  const verdicts: Verdict[] = [];
  say('');
  printMachine(machine);
  if (all.length > 0) {
    const options = Object.entries(volumeOptions).map(([key, value]) => `${key}=${value}`);
    say(`volume: replica 3 on loopback; options: ${options.sort().join(' ')}`);
    say(`load: ${generator}; ${rounds} rounds of ${seconds} s`);
    if (mostFiles < PARTS.many.count)
      say(`at most ${mostFiles} files of each size, whatever titles say`);
  }
  for (const [name, setup] of Object.entries(peers)) say(`${name}: ${setup}`);
  for (const [name, { setup }] of Object.entries(faults?.peers ?? {})) {
    say(`${name} in faults: ${setup}`);
  }
  say('');
  for (const { name, scenario, samples } of all) {
    verdicts.push(...scenario.goals.map((goal) => judge(name, goal, samples)));
    say(renderScenario(name, scenario, samples, machine.cores));
  }
  if (all.length > 1) say(renderOverview(all));
  if (faults !== null) {
    verdicts.push(judgeFaults(faults));
    say(renderFaults(faults));
  }
  for (const { text } of verdicts) say(text);
  return verdicts;
}

async function recordOf(options: Options, cleanup: Cleanup): Promise<RunRecord> {
  if (options.from === null) return await measure(options, describeMachine(), cleanup, tell);
  const json = await readFile(resolve(options.from), 'utf8');
  try {
    return parseRecord(json);
  } catch (error) {
    throw new Error(`${options.from}: ${(error as Error).message}`);
  }
}

async function bench(options: Options, cleanup: Cleanup): Promise<readonly Verdict[]> {
  const record = await recordOf(options, cleanup);
  const verdicts = report(record);
  const { json, svg } = options;
  if (json !== null) await writeFile(resolve(json), `${JSON.stringify(record, null, 2)}\n`);
  if (svg !== null) await writeFile(resolve(svg), plot(record));
  return verdicts;
}

async function main(argv: readonly string[]): Promise<number> {
  const options = readOptions(argv);
  if (options === null) {
    say(help());
    return 0;
  }
  const cleanup = new Cleanup();
  const interrupted = (signal: NodeJS.Signals): void => {
    tell(`${signal}: taking everything down`);
    void cleanup.run().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted).once('SIGHUP', interrupted);
  try {
    const verdicts = await bench(options, cleanup);
    return options.strict && verdicts.some(({ met }) => met !== true) ? 1 : 0;
  } finally {
    await cleanup.run();
  }
}

main(process.argv.slice(2)).then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    const usage = error instanceof UsageError;
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
    if (usage) process.stderr.write('Try: npm run bench -- --help\n');
    process.exitCode = usage ? 2 : 1;
  },
);
