/** Counting answers. */
import { quantile } from '../statistics.js';
import type { Answer } from './load.js';

export interface Tally {
  readonly sent: number;
  readonly right: number;
  /** Answers with another status or other bytes, and broken connections. */
  readonly failed: number;
  readonly timedOut: number;
  /** What the failures were: how many of each. */
  readonly why: Readonly<Record<string, number>>;
  /** Over all of them: one that timed out counts with the time that its client waited. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export function tallyOf(answers: readonly Answer[]): Tally {
  const count = (kind: Answer['kind']): number =>
    answers.filter((answer) => answer.kind === kind).length;
  const times = answers.map(({ ms }) => ms);
  const why: Record<string, number> = {};
  for (const answer of answers) {
    if (answer.kind === 'failed') why[answer.why] = (why[answer.why] ?? 0) + 1;
  }
  return {
    sent: answers.length,
    right: count('right'),
    failed: count('failed'),
    timedOut: count('timed out'),
    why,
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
    maxMs: quantile(times, 1),
  };
}
