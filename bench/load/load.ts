/** What is asked of a peer, and what came of it. */

/** Small files at random, for a while, by many connections at once. */
export interface FilesWork {
  readonly kind: 'files';
  /** A file with one URL path per line. */
  readonly pathsFile: string;
  /** Each of those files has this many bytes. */
  readonly size: number;
  readonly connections: number;
  readonly seconds: number;
  /** The same seed, the same order. */
  readonly seed: number;
}

/** One file, again and again for a while, by one connection. A download that has begun is finished. */
export interface DownloadWork {
  readonly kind: 'download';
  readonly path: string;
  readonly size: number;
  readonly seconds: number;
}

export type Work = FilesWork | DownloadWork;

export interface Load {
  /** Answers that came whole. */
  readonly requests: number;
  readonly seconds: number;
  /** All that came, heads too. */
  readonly bytes: number;
  /** Connections that failed, answers that were not 2xx, came too late or were too short. */
  readonly errors: number;
  /** What the errors were; '' for none. */
  readonly errorText: string;
  /** null where single requests don't matter. */
  readonly latency: { readonly p50Ms: number; readonly p99Ms: number } | null;
  /** CPU time of whoever made the load, in seconds; 0 where the peer did so itself. */
  readonly loadCpuSeconds: number;
}
