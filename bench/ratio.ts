/** One peer beside another. The machine's speed drifts, so only what ran in the same round is compared. */
import type { Metric, Sample } from './sample.js';
import { median } from './statistics.js';

/** The median of the rounds' ratios; NaN where there are none. */
export function pairRatio(
  metric: Metric,
  ours: readonly Sample[],
  theirs: readonly Sample[],
): number {
  const ratios = ours.flatMap((sample, round) => {
    const other = theirs[round];
    return other === undefined ? [] : [metric.of(sample) / metric.of(other)];
  });
  return median(ratios.filter((value) => Number.isFinite(value)));
}
