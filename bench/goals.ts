/** What is to be reached, and whether it was. */
import { pairRatio } from './ratio.js';
import type { Samples } from './rounds.js';
import type { Metric } from './sample.js';
import { figure } from './table.js';

/** The subject's `metric` is to be at least, or at most, `factor` times the peer's. */
export interface Goal {
  readonly metric: Metric;
  /** A gfserve. */
  readonly subject: string;
  readonly peer: string;
  readonly bound: 'at least' | 'at most';
  readonly factor: number;
}

export interface Verdict {
  /** null: it was not measured. */
  readonly met: boolean | null;
  readonly text: string;
}

/** By the median of the rounds' ratios. A run with errors meets no goal. */
export function judge(scenario: string, goal: Goal, samples: Samples): Verdict {
  const { metric, subject, peer, bound, factor } = goal;
  const wanted = `${scenario}: ${subject}'s ${metric.title} ${bound} ${figure(factor, 2)}× ${peer}'s`;
  const ours = samples.get(subject) ?? [];
  const theirs = samples.get(peer) ?? [];
  if (ours.length === 0 || theirs.length === 0) {
    return { met: null, text: `----  ${wanted}: not measured` };
  }
  const ratio = pairRatio(metric, ours, theirs);
  const clean = [...ours, ...theirs].every((sample) => sample.errors === 0);
  const met = clean && (bound === 'at least' ? ratio >= factor : ratio <= factor);
  const text = `${met ? 'PASS' : 'MISS'}  ${wanted}: ${figure(ratio, 2)}×`;
  return { met, text: clean ? text : `${text}, with errors` };
}
