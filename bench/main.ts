/** `npm run bench`. See options.ts for its command line. */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Cleanup } from './cleanup.js';
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

async function bench(options: Options, cleanup: Cleanup): Promise<readonly Verdict[]> {
  const machine = describeMachine();
  const stage = await setStage(options, cleanup, tell);
  const results: Record<string, Record<string, unknown>> = {};
  const verdicts: Verdict[] = [];
  const tables: string[] = [];
  for (const name of options.scenarios) {
    const samples = await runScenario(name, options, stage);
    const scenario = SCENARIOS[name];
    if (scenario === undefined) continue;
    results[name] = Object.fromEntries(samples);
    verdicts.push(...scenario.goals.map((goal) => judge(name, goal, samples)));
    tables.push(renderScenario(name, scenario, samples, machine.cores));
  }
  say('');
  printMachine(machine);
  printVolume(stage);
  for (const [name, { setup }] of stage.peers) say(`${name}: ${setup}`);
  say('');
  for (const table of tables) say(table);
  for (const { text } of verdicts) say(text);
  if (options.json !== null) {
    const peers = Object.fromEntries([...stage.peers].map(([name, { setup }]) => [name, setup]));
    const { volumeOptions } = stage;
    const { rounds, seconds } = options;
    const record = { format: 1, machine, volumeOptions, peers, rounds, seconds, results };
    await writeFile(resolve(options.json), `${JSON.stringify(record, null, 2)}\n`);
  }
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
