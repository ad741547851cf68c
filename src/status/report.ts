/** What /status says, as JSON: docs/metrics.md explains each field. Times are ISO 8601, in UTC. */
import type { ReloadStatus } from '../reload.js';
import type { WorkerReport } from '../worker_slot.js';

/** 2xx and so on; `1xx` is never sent. `other`: a status that is counted as such. */
export const CLASSES = ['2xx', '3xx', '4xx', '5xx', 'other'] as const;
export type StatusClass = (typeof CLASSES)[number];

/** null: there was nothing to be measured. */
export interface Latency {
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

export interface RequestFigures {
  /** Since the start, as all other totals. */
  readonly total: number;
  /** Over the last 10 s. */
  readonly perSecond: number;
  readonly active: number;
  readonly classes: Readonly<Record<StatusClass, { total: number; perSecond: number }>>;
  /** Over the last minute. */
  readonly firstByte: Latency;
  readonly bytes: number;
  /** Over the last 10 s. */
  readonly bytesPerSecond: number;
  readonly incomplete: number;
}

export interface CacheFigures {
  readonly bytes: number;
  readonly limitBytes: number;
  readonly entries: number;
  readonly evictions: number;
  /** The share of answers that came from memory without asking a volume, over the last minute; null: there were none. */
  readonly hitRatio: number | null;
}

/** `unknown`: no worker is ready, so nobody knows. */
export type VolumeState = 'healthy' | 'degraded' | 'connecting' | 'down' | 'unknown';

export interface BrickFigures {
  /** `host:/path` */
  readonly text: string;
  /** Whether every worker is connected to it. */
  readonly up: boolean;
  readonly since: string;
}

export interface JobFigures extends Latency {
  readonly operation: string;
  readonly perSecond: number;
}

export interface VolumeFigures {
  readonly name: string;
  readonly required: boolean;
  /** The worst of all ready workers. */
  readonly state: VolumeState;
  readonly since: string;
  /** In how many ready workers it is in each state. */
  readonly workers: Readonly<Record<string, number>>;
  readonly bricks: readonly BrickFigures[];
  readonly threads: number;
  readonly busy: number;
  readonly stuck: number;
  readonly queued: number;
  /** Over the last minute. */
  readonly jobs: readonly JobFigures[];
  /** Calls that could not be answered, in the last minute, by the reason. */
  readonly errors: Readonly<Record<string, number>>;
}

/** Over the last minute. */
export interface MountFigures extends Latency {
  readonly name: string;
  /** Requests since the start. */
  readonly total: number;
  readonly perSecond: number;
  readonly bytesPerSecond: number;
  /** Requests of the last minute that failed with 500 or more. */
  readonly failed: number;
}

export interface ProcessFigures {
  readonly number: number;
  readonly pid: number | null;
  readonly state: 'starting' | 'ready' | 'draining' | 'silent';
  readonly uptimeMs: number | null;
  /** How much of its event loop's time is used, 0 to 1, over the last minute. */
  readonly busy: number | null;
  readonly memoryBytes: number | null;
  readonly connections: number;
}

/** Columns of the same length, oldest first: what happened in the step that ended at `at`. */
export interface HistoryColumns {
  /** How long a step is meant to be. */
  readonly stepMs: number;
  /** Milliseconds since 1970. */
  readonly at: readonly number[];
  readonly perSecond: Readonly<Record<StatusClass, readonly number[]>>;
  readonly p50Ms: readonly (number | null)[];
  readonly p99Ms: readonly (number | null)[];
  readonly bytesPerSecond: readonly number[];
  readonly hitRatio: readonly (number | null)[];
  /** At its end. */
  readonly connections: readonly number[];
}

export type EventKind = 'volume' | 'worker' | 'reload' | 'upgrade';

export interface StatusEvent {
  readonly at: string;
  readonly kind: EventKind;
  /** Whether things became better or worse by it. */
  readonly tone: 'good' | 'bad' | 'neutral';
  readonly text: string;
}

/** What the supervisor knows without asking anybody: a second old at most. */
export interface ServiceReport {
  readonly at: string;
  readonly host: string;
  readonly nodeVersion: string;
  readonly ready: boolean;
  /** A line for each thing that is missing. */
  readonly missing: readonly string[];
  readonly workersConfigured: number;
  readonly workersReady: number;
  readonly requests: RequestFigures;
  readonly connections: { readonly open: number; readonly accepted: number };
  /** null: there is none. */
  readonly cache: CacheFigures | null;
  readonly volumes: readonly VolumeFigures[];
  /** The busiest first; `-` is what no mount was found for. */
  readonly mounts: readonly MountFigures[];
  readonly processes: readonly ProcessFigures[];
  readonly history: HistoryColumns;
  /** The latest first. */
  readonly events: readonly StatusEvent[];
}

export interface StatusReport extends ServiceReport {
  readonly version: string;
  /** The supervisor's. */
  readonly pid: number;
  readonly uptimeMs: number;
  readonly restarts: number;
  readonly generation: number;
  readonly reloads: ReloadStatus;
  /** Each worker's own account, asked for anew. */
  readonly workers: readonly WorkerReport[];
  readonly retiring: readonly WorkerReport[];
}
