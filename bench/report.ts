/** What people read: a table for each scenario, and whether the goals are met. */
import { SUBJECT } from './peers/index.js';
import type { Samples } from './rounds.js';
import type { Metric, Sample } from './sample.js';
import type { Goal, Scenario } from './scenarios.js';
import { median, summarise } from './statistics.js';
import { figure, renderTable } from './table.js';

/** A load generator that is busy for more than this share of its one processor is what is measured. */
const LOAD_LIMIT = 0.85;
/** Others on the machine that take more than this share of it blur the figures. */
const NOISE_LIMIT = 0.1;
const SATURATED = 0.05;

const medianOf = (metric: Metric, samples: readonly Sample[]): number =>
  median(samples.map((sample) => metric.of(sample)));

const sum = (samples: readonly Sample[], of: (sample: Sample) => number): number =>
  samples.reduce((total, sample) => total + of(sample), 0);

function ratio(metric: Metric, name: string, samples: Samples): string {
  const subject = samples.get(SUBJECT);
  if (subject === undefined || name === SUBJECT) return '';
  const value = medianOf(metric, subject) / medianOf(metric, samples.get(name) ?? []);
  return Number.isFinite(value) ? `${figure(value, value < 10 ? 2 : 1)}×` : '-';
}

function row(name: string, scenario: Scenario, samples: Samples): string[] {
  const own = samples.get(name) ?? [];
  const [main, ...others] = scenario.metrics;
  const cells = [name];
  if (main !== undefined) {
    const { median: middle, min, max } = summarise(own.map((sample) => main.of(sample)));
    cells.push(
      figure(middle, main.digits),
      `${figure(min, main.digits)}-${figure(max, main.digits)}`,
      ratio(main, name, samples),
    );
  }
  for (const metric of others) cells.push(figure(medianOf(metric, own), metric.digits));
  const errors = sum(own, (sample) => sample.errors);
  cells.push(errors === 0 ? '0' : `${errors} !`);
  return cells;
}

/** What a reader should know before believing the figures. */
function remarks(samples: Samples, cores: number): string[] {
  const lines: string[] = [];
  for (const [name, own] of samples) {
    const seconds = sum(own, (sample) => sample.seconds);
    const load = sum(own, (sample) => sample.loadCpuSeconds) / seconds;
    const other = sum(own, (sample) => sample.otherCpuSeconds) / (seconds * cores);
    const idle = median(own.map((sample) => sample.idleShare));
    const texts = [...new Set(own.map((sample) => sample.errorText).filter((text) => text !== ''))];
    if (texts.length > 0)
      lines.push(`${name}: ERRORS, its figures do not count: ${texts.join('; ')}`);
    if (load > LOAD_LIMIT) {
      lines.push(`${name}: the load generator was the bottleneck: ${percent(load)} of one core`);
    } else if (idle < SATURATED) {
      lines.push(
        `${name}: the machine was full: server, bricks and load (${percent(load)} of a core) share ${cores} cores`,
      );
    }
    if (other > NOISE_LIMIT) {
      lines.push(
        `${name}: others (and the kernel) used ${percent(other)} of the machine meanwhile`,
      );
    }
  }
  return lines;
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;

export function renderScenario(
  name: string,
  scenario: Scenario,
  samples: Samples,
  cores: number,
): string {
  const [main, ...others] = scenario.metrics;
  const head = [
    'median',
    main?.title ?? '',
    'min-max',
    `${SUBJECT} is`,
    ...others.map((metric) => metric.title),
    'errors',
  ];
  const rows = [...samples.keys()].map((peer) => row(peer, scenario, samples));
  return [
    `${name}: ${scenario.title}`,
    '',
    renderTable([head, ...rows]),
    ...remarks(samples, cores).map((line) => `  ${line}`),
    '',
  ].join('\n');
}

export interface Verdict {
  /** null: it was not measured. */
  readonly met: boolean | null;
  readonly text: string;
}

/** A run with errors meets no goal. */
export function judge(scenario: string, goal: Goal, samples: Samples): Verdict {
  const { metric, peer, factor } = goal;
  const wanted = `${scenario}: ${SUBJECT} at least ${factor}× ${peer}`;
  const subject = samples.get(SUBJECT);
  const other = samples.get(peer);
  if (subject === undefined || other === undefined) {
    return { met: null, text: `----  ${wanted}: not measured` };
  }
  const [ours, theirs] = [medianOf(metric, subject), medianOf(metric, other)];
  const clean = [...subject, ...other].every((sample) => sample.errors === 0);
  const met = clean && ours >= factor * theirs;
  const values = `${figure(ours, metric.digits)} to ${figure(theirs, metric.digits)} ${metric.title}`;
  const text = `${met ? 'PASS' : 'MISS'}  ${wanted}: ${figure(ours / theirs, 2)}× (${values})`;
  return { met, text: clean ? text : `${text}, with errors` };
}
