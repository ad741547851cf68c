/** What is asked of a peer, and what came of it. */
import type { Plan, ReadyRequest } from './plan.js';

/** A scenario's work, the same in all rounds. */
export interface Task {
  /**
   * `requests`: of answers that are small. `transfers`: of large ones, of which it matters how they are read. Both are
   * made at random, by their weights, until the time has passed; those of equal weights each once before any comes again.
   */
  readonly kind: 'requests' | 'transfers';
  readonly plan: Plan;
  readonly connections: number;
  /** Beside those, and hardly ever asking for anything. */
  readonly idleConnections: number;
}

export interface Timing {
  readonly seconds: number;
  /** The same seed, the same order; differs from round to round, and is the same for all peers of one. */
  readonly seed: number;
}

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

export interface Load {
  /** Answers that came whole and were those that were wanted. */
  readonly requests: number;
  readonly seconds: number;
  /** All that came, heads too. */
  readonly bytes: number;
  /** Connections that failed, answers with another status than was wanted, that came too late or were too short. */
  readonly errors: number;
  /** What the errors were; '' for none. */
  readonly errorText: string;
  /** null where single requests don't matter. */
  readonly latency: Latency | null;
  /** CPU time of whoever made the load, in seconds; 0 where the peer did so itself. */
  readonly loadCpuSeconds: number;
}

/** What a generator is given. */
export interface Shots {
  readonly port: number;
  readonly requests: readonly ReadyRequest[];
  /** The same requests as a file; see planText. */
  readonly planFile: string;
  readonly connections: number;
  /** Whether its answers with status 404 have a length. */
  readonly framesErrors: boolean;
}

/** Makes many requests at once. */
export type Generator = (shots: Shots, timing: Timing) => Promise<Load>;

/** Counts of errors by their kinds, for people; '' for none. */
export function errorText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([what, count]) => `${what} ${count}`)
    .join(', ');
}
