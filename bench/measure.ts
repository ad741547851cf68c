/** From the command line's wishes to a record of what was found. */
import { Cleanup } from './cleanup.js';
import { type FaultRecord, runFaults } from './faults/scenario.js';
import { GENERATORS } from './load/generators.js';
import type { Machine } from './machine.js';
import type { Options } from './options.js';
import { PEERS } from './peers/index.js';
import { FORMAT, type RunRecord } from './record.js';
import { runRounds, type Samples } from './rounds.js';
import type { Sample } from './sample.js';
import { SCENARIOS, type Scenario } from './scenarios.js';
import { type Stage, setStage } from './stage.js';
import { figure } from './table.js';

type Tell = (line: string) => void;

/** The chosen scenarios that make sense for one of the chosen peers. */
function chosen({ scenarios, peers }: Options): ReadonlyMap<string, Scenario> {
  const entries = scenarios.flatMap((name): [string, Scenario][] => {
    const scenario = SCENARIOS[name];
    return scenario !== undefined && takers(scenario, peers).length > 0 ? [[name, scenario]] : [];
  });
  return new Map(entries);
}

function takers({ takes }: Scenario, peers: readonly string[]): readonly string[] {
  return peers.filter((name) => {
    const kind = PEERS[name];
    return kind !== undefined && takes(kind.traits);
  });
}

async function runScenario(
  name: string,
  scenario: Scenario,
  options: Options,
  stage: Stage,
  tell: Tell,
): Promise<Samples> {
  const names = takers(scenario, [...stage.peers.keys()]);
  const peers = new Map([...stage.peers].filter(([peer]) => names.includes(peer)));
  const task = scenario.task(stage.dataset);
  for (const [peer, own] of peers) {
    const looked = await own.prepare(task).catch((error: unknown) => {
      throw new Error(`${name}: ${peer} serves wrong: ${(error as Error).message}`);
    });
    tell(`${name}: ${peer}: ${looked}`);
  }
  const { speed, cost } = scenario.metrics;
  return await runRounds({
    rounds: options.rounds,
    seconds: Math.min(options.seconds, scenario.mostSeconds),
    peers,
    brickPids: stage.brickPids,
    workDir: stage.workDir,
    task,
    begin: scenario.begin,
    onSample: (peer, round, sample) => {
      const which = round === 0 ? 'warm-up' : `round ${round} of ${options.rounds}`;
      const [fast, dear] = [speed, cost].map(
        (metric) => `${figure(metric.of(sample), metric.digits)} ${metric.title}`,
      );
      const errors = sample.errors === 0 ? '' : `, ERRORS: ${sample.errorText}`;
      tell(`${name}, ${which}: ${peer} ${fast}, ${dear}${errors}`);
    },
  });
}

/** What the scenarios that measure speed have found. */
interface Speeds {
  readonly results: RunRecord['results'];
  readonly peers: RunRecord['peers'];
  readonly volumeOptions: RunRecord['volumeOptions'];
}

async function measureSpeeds(options: Options, cleanup: Cleanup, tell: Tell): Promise<Speeds> {
  const scenarios = chosen(options);
  for (const name of options.scenarios) {
    if (!scenarios.has(name)) tell(`${name} is left out: it makes no sense for these peers`);
  }
  if (scenarios.size === 0) return { results: {}, peers: {}, volumeOptions: options.volumeOptions };
  const generator = GENERATORS[options.generator];
  if (generator === undefined) throw new Error(`no generator ${options.generator}`);
  const all = [...scenarios.values()];
  const peers = options.peers.filter((name) =>
    all.some((scenario) => takers(scenario, [name]).length > 0),
  );
  const parts = [...new Set(all.flatMap((scenario) => scenario.parts))];
  const stage = await setStage({ ...options, peers, parts, generator }, cleanup, tell);
  const results: Record<string, Readonly<Record<string, readonly Sample[]>>> = {};
  for (const [name, scenario] of scenarios) {
    const samples = await runScenario(name, scenario, options, stage, tell);
    results[name] = Object.fromEntries(samples);
  }
  const setups = [...stage.peers].map(([name, { setup }]) => [name, setup] as const);
  return { results, peers: Object.fromEntries(setups), volumeOptions: stage.volumeOptions };
}

/** Runs all that was chosen; `cleanup` takes down what was set up. */
export async function measure(
  options: Options,
  machine: Machine,
  cleanup: Cleanup,
  tell: Tell,
): Promise<RunRecord> {
  // One cluster after the other: an idle one costs processor time too.
  const own = new Cleanup();
  cleanup.add('the stage', () => own.run());
  const speeds = await measureSpeeds(options, own, tell);
  await own.run();
  const faults: FaultRecord | null = options.faults
    ? await runFaults(options, cleanup, tell)
    : null;
  const { generator, rounds, seconds, mostFiles } = options;
  return { format: FORMAT, machine, generator, rounds, seconds, mostFiles, ...speeds, faults };
}
