/** All that a run has found: what `--json` writes, `--from` reads, and every report is made from. */
import { type FaultRecord, type FaultResult, PHASES } from './faults/scenario.js';
import type { Tally } from './faults/tally.js';
import type { Machine } from './machine.js';
import type { Samples } from './rounds.js';
import type { Sample } from './sample.js';

export const FORMAT = 2;

export interface RunRecord {
  readonly format: typeof FORMAT;
  readonly machine: Machine;
  readonly volumeOptions: Readonly<Record<string, string>>;
  /** How each peer was started. */
  readonly peers: Readonly<Record<string, string>>;
  /** What made the load. */
  readonly generator: string;
  readonly rounds: number;
  readonly seconds: number;
  /** Scenarios with more files than this had only so many. */
  readonly mostFiles: number;
  /** By scenario and peer; one sample for each round, in their order. */
  readonly results: Readonly<Record<string, Readonly<Record<string, readonly Sample[]>>>>;
  readonly faults: FaultRecord | null;
}

/** A scenario's samples; none when it wasn't run. */
export function samplesOf({ results }: RunRecord, scenario: string): Samples {
  return new Map(Object.entries(results[scenario] ?? {}));
}

export class RecordError extends Error {}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null) throw new RecordError(`${what} is missing`);
  return value as Fields;
}

function number(fields: Fields, key: string): number {
  const value = fields[key];
  if (typeof value !== 'number') throw new RecordError(`${key} is ${String(value)}, not a number`);
  return value;
}

function text(fields: Fields, key: string): string {
  const value = fields[key];
  if (typeof value !== 'string') throw new RecordError(`${key} is ${String(value)}, not a text`);
  return value;
}

/** A record whose values are all of one kind. */
function each<T>(
  value: unknown,
  what: string,
  one: (value: unknown, key: string) => T,
): Record<string, T> {
  return Object.fromEntries(
    Object.entries(fieldsOf(value, what)).map(([key, own]) => [key, one(own, key)]),
  );
}

const texts = (value: unknown, what: string): Record<string, string> =>
  each(value, what, (own, key) => text({ [key]: own }, key));

function sampleOf(value: unknown): Sample {
  const fields = fieldsOf(value, 'a sample');
  const latency = fields.latency === null ? null : fieldsOf(fields.latency, 'latency');
  return {
    requests: number(fields, 'requests'),
    seconds: number(fields, 'seconds'),
    bytes: number(fields, 'bytes'),
    errors: number(fields, 'errors'),
    errorText: text(fields, 'errorText'),
    latency: latency && {
      p50Ms: number(latency, 'p50Ms'),
      p99Ms: number(latency, 'p99Ms'),
      p999Ms: number(latency, 'p999Ms'),
    },
    loadCpuSeconds: number(fields, 'loadCpuSeconds'),
    serverCpuSeconds: number(fields, 'serverCpuSeconds'),
    brickCpuSeconds: number(fields, 'brickCpuSeconds'),
    idleShare: number(fields, 'idleShare'),
    otherCpuSeconds: number(fields, 'otherCpuSeconds'),
    peakMemoryBytes: number(fields, 'peakMemoryBytes'),
    idleConnectionBytes:
      fields.idleConnectionBytes === null ? null : number(fields, 'idleConnectionBytes'),
  };
}

function samples(value: unknown, what: string): readonly Sample[] {
  if (!Array.isArray(value)) throw new RecordError(`${what}: no list of samples`);
  return value.map(sampleOf);
}

function machineOf(value: unknown): Machine {
  const fields = fieldsOf(value, 'machine');
  return {
    cores: number(fields, 'cores'),
    cpu: text(fields, 'cpu'),
    kernel: text(fields, 'kernel'),
    memoryBytes: number(fields, 'memoryBytes'),
    node: text(fields, 'node'),
    versions: texts(fields.versions, 'versions'),
  };
}

function tallyOf(value: unknown): Tally {
  const fields = fieldsOf(value, 'a tally');
  return {
    sent: number(fields, 'sent'),
    right: number(fields, 'right'),
    failed: number(fields, 'failed'),
    timedOut: number(fields, 'timedOut'),
    why: each(fields.why, 'why', (own, key) => number({ [key]: own }, key)),
    p50Ms: number(fields, 'p50Ms'),
    p99Ms: number(fields, 'p99Ms'),
    maxMs: number(fields, 'maxMs'),
  };
}

function faultResultOf(value: unknown): FaultResult {
  const fields = fieldsOf(value, 'a result of faults');
  const given = fieldsOf(fields.phases, 'phases');
  const [before, hung, after] = PHASES.map((phase) => each(given[phase], phase, tallyOf));
  if (before === undefined || hung === undefined || after === undefined) {
    throw new RecordError('a phase is missing');
  }
  return { setup: text(fields, 'setup'), phases: { before, hung, after } };
}

function faultsOf(value: unknown): FaultRecord | null {
  if (value === null) return null;
  const fields = fieldsOf(value, 'faults');
  return {
    hungSeconds: number(fields, 'hungSeconds'),
    peers: each(fields.peers, 'peers', faultResultOf),
  };
}

/** @throws RecordError for what `--json` of this version didn't write */
export function parseRecord(json: string): RunRecord {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new RecordError(`no JSON: ${(error as Error).message}`);
  }
  const fields = fieldsOf(value, 'the record');
  if (fields.format !== FORMAT) {
    throw new RecordError(`its format is ${String(fields.format)}, not ${FORMAT}`);
  }
  return {
    format: FORMAT,
    machine: machineOf(fields.machine),
    volumeOptions: texts(fields.volumeOptions, 'volumeOptions'),
    peers: texts(fields.peers, 'peers'),
    generator: text(fields, 'generator'),
    rounds: number(fields, 'rounds'),
    seconds: number(fields, 'seconds'),
    mostFiles: number(fields, 'mostFiles'),
    results: each(fields.results, 'results', (own) => each(own, 'a scenario', samples)),
    faults: faultsOf(fields.faults),
  };
}
