/** All scenarios on one page: each peer's speed and cost beside gfserve's. */
import { PEERS } from './peers/index.js';
import { pairRatio } from './ratio.js';
import type { Samples } from './rounds.js';
import type { Metric } from './sample.js';
import { SCENARIOS, type Scenario } from './scenarios.js';
import { ratioFigure, renderTable } from './table.js';

/** A scenario that was run. */
export interface Outcome {
  readonly name: string;
  readonly scenario: Scenario;
  readonly samples: Samples;
}

/** In the scenarios' own order; unknown ones, of another version, are left out. */
export function outcomes(samplesOf: (scenario: string) => Samples): readonly Outcome[] {
  return Object.entries(SCENARIOS).flatMap(([name, scenario]) => {
    const samples = samplesOf(name);
    return samples.size === 0 ? [] : [{ name, scenario, samples }];
  });
}

function table(all: readonly Outcome[], metric: (scenario: Scenario) => Metric): string {
  const peers = Object.keys(PEERS).filter((peer) => all.some(({ samples }) => samples.has(peer)));
  const rows = all.map(({ name, scenario, samples }) => {
    const base = samples.get(scenario.subject) ?? [];
    const cells = peers.map((peer) => {
      const own = samples.get(peer);
      return own === undefined ? '' : ratioFigure(pairRatio(metric(scenario), own, base));
    });
    return [name, ...cells];
  });
  return renderTable([['', ...peers], ...rows]);
}

/** A scenario's first gfserve is the 1 of its line. */
export function renderOverview(all: readonly Outcome[]): string {
  return [
    'speed (requests/s, or MB/s of downloads), beside gfserve; more is better:',
    '',
    table(all, ({ metrics }) => metrics.speed),
    '',
    'processor time for the same work, beside gfserve; less is better:',
    '',
    table(all, ({ metrics }) => metrics.cost),
    '',
  ].join('\n');
}
