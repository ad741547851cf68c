/** `npm run bench`. See options.ts for its command line. */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Cleanup } from './cleanup.js';
import { judgeFaults, renderFaults } from './faults/report.js';
import { type FaultResult, runFaults } from './faults/scenario.js';
import { describeMachine, type Machine } from './machine.js';
import { help, type Options, readOptions, UsageError } from './options.js';
import { judge, renderScenario, type Verdict } from './report.js';
import { runRounds, type Samples } from './rounds.js';
import { SCENARIOS } from './scenarios.js';
import { type Stage, setStage } from './stage.js';
import { figure } from './table.js';

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

function printVolume({ volumeOptions }: Stage): void {
  const options = Object.entries(volumeOptions).map(([key, value]) => `${key}=${value}`);
  say(`volume: replica 3 on loopback; options: ${options.sort().join(' ')}`);
}

async function runScenario(name: string, options: Options, stage: Stage): Promise<Samples> {
  const scenario = SCENARIOS[name];
  if (scenario === undefined) throw new Error(`no scenario ${name}`);
  const [main] = scenario.metrics;
  return await runRounds({
    rounds: options.rounds,
    seconds: options.seconds,
    peers: stage.peers,
    brickPids: stage.brickPids,
    work: (seconds, seed) => scenario.work({ ...stage, seconds, seed }),
    onSample: (peer, round, sample) => {
      const which = round === 0 ? 'warm-up' : `round ${round} of ${options.rounds}`;
      const value =
        main === undefined ? '' : `${figure(main.of(sample), main.digits)} ${main.title}`;
      const errors = sample.errors === 0 ? '' : `, ERRORS: ${sample.errorText}`;
      tell(`${name}, ${which}: ${peer} ${value}${errors}`);
    },
  });
}

/** What a run has found, for the report and for `--json`. */
interface Findings {
  readonly stage: Stage | null;
  readonly results: ReadonlyMap<string, Samples>;
  readonly faults: ReadonlyMap<string, FaultResult> | null;
}

async function measure(options: Options, cleanup: Cleanup): Promise<Findings> {
  const results = new Map<string, Samples>();
  // One cluster after the other: an idle one costs processor time too.
  const own = new Cleanup();
  cleanup.add('the stage', () => own.run());
  const stage = options.scenarios.length > 0 ? await setStage(options, own, tell) : null;
  if (stage !== null) {
    for (const name of options.scenarios) {
      results.set(name, await runScenario(name, options, stage));
    }
    await own.run();
  }
  const faults = options.faults ? await runFaults(options, cleanup, tell) : null;
  return { stage, results, faults };
}

/** Prints the report. @returns which goals are met */
function report(
  options: Options,
  machine: Machine,
  { stage, results, faults }: Findings,
): readonly Verdict[] {
  const verdicts: Verdict[] = [];
  say('');
  printMachine(machine);
  if (stage !== null) {
    printVolume(stage);
    for (const [name, { setup }] of stage.peers) say(`${name}: ${setup}`);
  }
  for (const [name, { setup }] of faults ?? []) say(`${name} in faults: ${setup}`);
  say('');
  for (const [name, samples] of results) {
    const scenario = SCENARIOS[name];
    if (scenario === undefined) continue;
    verdicts.push(...scenario.goals.map((goal) => judge(name, goal, samples)));
    say(renderScenario(name, scenario, samples, machine.cores));
  }
  if (faults !== null) {
    verdicts.push(judgeFaults(faults));
    say(renderFaults(faults, options.hungSeconds));
  }
  for (const { text } of verdicts) say(text);
  return verdicts;
}

async function writeJson(
  file: string,
  options: Options,
  machine: Machine,
  found: Findings,
): Promise<void> {
  const { rounds, seconds, hungSeconds } = options;
  const setups = [...(found.stage?.peers ?? [])].map(([name, { setup }]) => [name, setup]);
  const results = [...found.results].map(([name, own]) => [name, Object.fromEntries(own)]);
  const record = {
    format: 1,
    machine,
    volumeOptions: found.stage?.volumeOptions ?? options.volumeOptions,
    peers: Object.fromEntries(setups) as unknown,
    rounds,
    seconds,
    results: Object.fromEntries(results) as unknown,
    ...(found.faults && { faults: { hungSeconds, peers: Object.fromEntries(found.faults) } }),
  };
  await writeFile(resolve(file), `${JSON.stringify(record, null, 2)}\n`);
}

async function bench(options: Options, cleanup: Cleanup): Promise<readonly Verdict[]> {
  const machine = describeMachine();
  const found = await measure(options, cleanup);
  const verdicts = report(options, machine, found);
  if (options.json !== null) await writeJson(options.json, options, machine, found);
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
