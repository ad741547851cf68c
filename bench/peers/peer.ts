/** Something that is measured. */
import type { Cluster } from '../../test/support/cluster/cluster.js';
import type { Generator, Load, Task, Timing } from '../load/load.js';

/** Where a peer is started. */
export interface Ground {
  readonly cluster: Cluster;
  readonly volume: string;
  /** A folder for the peers' configuration files and logs. */
  readonly workDir: string;
  /** A folder of the local disk with a copy of the volume's files; empty when no peer needs it. */
  readonly localDir: string;
  /** Further lines of gfserve's `[volume]` section. */
  readonly gfserveVolume: readonly string[];
  readonly cacheSection: CacheSection;
  /** Another built checkout of gfserve; null: none. */
  readonly other: string | null;
  readonly generator: Generator;
}

/** Which gfserves get a `[cache]` section: those before it refuse it. */
export type CacheSection = 'all' | 'own' | 'none';

export interface Peer {
  /** How it was started: what the report says of it. */
  readonly setup: string;
  /** Where it answers HTTP; null for what is measured without. */
  readonly port: number | null;
  /** All its processes, with those that work for it alone, such as a FUSE client. */
  pids(): Promise<readonly number[]>;
  /**
   * To be called before a task is run.
   * @returns what was looked at, for people
   * @throws Error when it answers wrong
   */
  prepare(task: Task): Promise<string>;
  run(task: Task, timing: Timing): Promise<Load>;
  /** Has the kernel drop what it keeps for it of the contents of the task's files. */
  forget(task: Task): Promise<void>;
  /** Starts it anew, with all that works for it: afterwards nothing in its memory, or the kernel's, is of the volume's files. */
  renew(task: Task): Promise<void>;
  stop(): Promise<void>;
}

/** What a peer can do at all; scenarios choose by it. */
export interface Traits {
  /** Speaks HTTP. */
  readonly http: boolean;
  /** Knows byte ranges and ETags. */
  readonly ranges: boolean;
  /** Keeps as many connections as clients like. */
  readonly keepsConnections: boolean;
  /** Keeps content in its own memory, so that nothing stays cold. */
  readonly caches: boolean;
  /** Says how long its error pages are, and does not just close the connection after them. */
  readonly framesErrors: boolean;
}

/** Most servers. */
export const SERVER: Traits = {
  http: true,
  ranges: true,
  keepsConnections: true,
  caches: false,
  framesErrors: true,
};

/** A way to make a peer. */
export interface PeerKind {
  readonly title: string;
  readonly traits: Traits;
  /** Why it can't be measured here, such as a program that is missing; null: it can. */
  missing(): string | null;
  start(ground: Ground): Promise<Peer>;
}
