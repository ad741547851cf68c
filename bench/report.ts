/** What people read of a scenario: a table, and what to know before believing it. */
import { pairRatio } from './ratio.js';
import type { Samples } from './rounds.js';
import type { Metric, Sample } from './sample.js';
import type { Scenario } from './scenarios.js';
import { median, summarise } from './statistics.js';
import { figure, ratioFigure, renderTable } from './table.js';

/** A load generator that is busy for more than this share of its one processor is what is measured. */
const LOAD_LIMIT = 0.85;
/** Others on the machine that take more than this share of it blur the figures. */
const NOISE_LIMIT = 0.1;
const SATURATED = 0.05;

export const medianOf = (metric: Metric, samples: readonly Sample[]): number =>
  median(samples.map((sample) => metric.of(sample)));

const sum = (samples: readonly Sample[], of: (sample: Sample) => number): number =>
  samples.reduce((total, sample) => total + of(sample), 0);

function row(name: string, { metrics, subject }: Scenario, samples: Samples): string[] {
  const own = samples.get(name) ?? [];
  const base = samples.get(subject) ?? [];
  const { speed, cost, others } = metrics;
  const { median: middle, min, max } = summarise(own.map((sample) => speed.of(sample)));
  const errors = sum(own, (sample) => sample.errors);
  return [
    name,
    figure(middle, speed.digits),
    `${figure(min, speed.digits)}-${figure(max, speed.digits)}`,
    ratioFigure(pairRatio(speed, own, base)),
    figure(medianOf(cost, own), cost.digits),
    ratioFigure(pairRatio(cost, own, base)),
    ...others.map((metric) => figure(medianOf(metric, own), metric.digits)),
    errors === 0 ? '0' : `${errors} !`,
  ];
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

/** `×` columns: the median of the rounds' ratios to the scenario's subject. */
export function renderScenario(
  name: string,
  scenario: Scenario,
  samples: Samples,
  cores: number,
): string {
  const { speed, cost, others } = scenario.metrics;
  const head = [
    'median',
    speed.title,
    'min-max',
    `× ${scenario.subject}`,
    cost.title,
    '×',
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
