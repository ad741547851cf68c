/** What a worker counts of one volume, over all of its connections. */
import { Histogram } from './histogram.js';
import { type Sample, sample, volumes } from './metrics.js';

/** What requests ask a volume to do. */
export type JobKind = 'open' | 'read' | 'list';

const JOBS: readonly JobKind[] = ['open', 'read', 'list'];

/** Why a volume could not answer; shown from the start. Of the storage's codes those that say nothing of the file. */
const CODES = ['connecting', 'down', 'busy', 'timeout', 'io', 'changed'] as const;

export class VolumeCounters {
  readonly #jobs = new Map<JobKind, Histogram>(JOBS.map((job) => [job, new Histogram()]));
  readonly #errors = new Map<string, number>(CODES.map((code) => [code, 0]));

  /** A job has come back, `ms` milliseconds after it was submitted. */
  took(job: JobKind, ms: number): void {
    this.#jobs.get(job)?.observe(ms);
  }

  /** A call could not be answered. What says something of the file, or of the client, is not counted. */
  failed(code: string): void {
    const count = this.#errors.get(code);
    if (count !== undefined) this.#errors.set(code, count + 1);
  }

  samples(volume: string): Sample[] {
    return [
      ...[...this.#jobs].map(([job, times]) => sample(volumes.jobs, [volume, job], times.cells())),
      ...[...this.#errors].map(([code, count]) => sample(volumes.errors, [volume, code], count)),
    ];
  }
}
