/**
 * The seam between HTTP and whatever holds the files. `http` sees of storage only this file; tests put their own
 * Storage here.
 *
 * Paths are bytes: a string with one char (0 to 255) a byte, relative to the root, without dot segments.
 */

/** Why a storage call found no answer. `http` maps each to one entry of the error catalogue. */
export type StorageErrorCode =
  | 'not-found'
  | 'forbidden'
  /** A FIFO, socket or device. */
  | 'not-regular'
  /** The volume has not been connected since the start. */
  | 'connecting'
  /** The volume cannot be reached. */
  | 'down'
  /** The queue is full. */
  | 'busy'
  /** The deadline passed. The call may go on in its thread; its result is thrown away. */
  | 'timeout'
  | 'io'
  /** The file changed while it was read. */
  | 'changed'
  /** The caller cancelled. */
  | 'cancelled';

export interface StorageError {
  readonly ok: false;
  readonly code: StorageErrorCode;
  /** The errno behind it, 0 when there was none: for the log. */
  readonly errno: number;
  readonly cache?: CacheNote;
  /** For 'not-found', where it was asked for: as in Opened. */
  readonly trail?: readonly string[] | null;
  /** As in Opened. */
  readonly ageMs?: number;
}

export interface Stat {
  readonly type: 'file' | 'directory';
  /** Bytes. Exact up to 2^53 - 1. */
  readonly size: number;
  readonly mtimeSeconds: number;
  /** 0 to 999,999,999. */
  readonly mtimeNanoseconds: number;
  readonly ctimeSeconds: number;
  /** 0 to 999,999,999. */
  readonly ctimeNanoseconds: number;
  /** 32 lower-case hexadecimal digits. */
  readonly gfid: string;
}

/**
 * A piece of a file, lent: `bytes` is only valid until `release`, which must be called exactly once, after the last use.
 */
export interface Chunk {
  readonly bytes: Uint8Array;
  /** They are in memory in any case: whoever holds the chunk costs nothing. */
  readonly shared?: boolean;
  release(): void;
}

/** An open file. `release` must be called exactly once; reads under way may still complete after it. */
export interface OpenFile {
  /**
   * Reads exactly `length` bytes (1 to MAX_CHUNK) at `offset`; a file that is no longer what was opened answers
   * 'changed'. Several reads may be under way at once. `done` is never called from inside this call. `waitedMs`: as in
   * OpenRequest.
   */
  read(offset: number, length: number, done: (result: ReadResult) => void, waitedMs?: number): void;
  /** How many of `length` bytes at `offset` are best read by one call: 1 to `length`. Where it is missing: all. */
  fit?(offset: number, length: number): number;
  release(): void;
}

/** One name in a folder. */
export interface FolderEntry {
  /** Bytes, as paths are; one segment, neither `.` nor `..` nor one of GlusterFS' own. */
  readonly name: string;
  /** A link is not resolved. `other`: a FIFO, socket or device. */
  readonly type: 'file' | 'directory' | 'link' | 'other';
  /** Bytes. */
  readonly size: number;
  readonly mtimeSeconds: number;
}

export interface FolderBatch {
  readonly ok: true;
  /** In no order. There may be none, although more will come. */
  readonly entries: readonly FolderEntry[];
  /** The folder is at its end: `next` must not be called again. */
  readonly last: boolean;
}

/** A folder that is being listed. `release` must be called exactly once. */
export interface OpenFolder {
  /**
   * Reads some more entries, up to 256 KiB of them, in one job of about 100 ms at most on a healthy volume. One call at a
   * time, and none after an error. `done` is never called from inside this call, nor after `release`.
   */
  next(done: (result: FolderResult) => void): void;
  /** May be called while a `next` is under way: what that finds is thrown away. */
  release(): void;
}

export type FolderResult = FolderBatch | StorageError;

export type ReadResult = { readonly ok: true; readonly chunk: Chunk } | StorageError;

export interface Opened {
  readonly ok: true;
  /** Which of the candidates it is. */
  readonly candidate: number;
  readonly stat: Stat;
  /**
   * Bytes of the file: all of them when it fits into the inline limit, else some from `from` on. null for an empty file, a
   * directory, where no body was asked for, and where `from` is not inside a file larger than the limit.
   */
  readonly chunk: Chunk | null;
  /** Where in the file the chunk begins. */
  readonly chunkOffset: number;
  /** For the rest, when the file is larger than the inline limit. */
  readonly file: OpenFile | null;
  /** For the entries of a directory that was asked for with `listing`. */
  readonly folder: OpenFolder | null;
  readonly cache?: CacheNote;
  /** Where the whole file is kept in memory: it may be had again without asking. Also where no body was asked for. */
  readonly kept?: KeptFile | null;
  /** Where its stat is in memory, and may be had again without asking. */
  readonly remembered?: Remembered | null;
  /** It is the very version that the request named as known: neither chunk nor file come with it. */
  readonly unchanged?: boolean;
  /**
   * gfids of the folders and links that were met on the way, for all candidates up to the one that was found: as long as none of
   * them changes, the same is found again. null: not asked for, or too many.
   */
  readonly trail?: readonly string[] | null;
  /** How long before the call the oldest look was that was trusted, in milliseconds. */
  readonly ageMs?: number;
}

export type OpenResult = Opened | StorageError;

export interface OpenRequest {
  readonly root: RootId;
  /** Tried in order. A directory counts only as the last one. A trailing slash (or '') asks for a directory. */
  readonly candidates: readonly string[];
  /** false: the stat only (HEAD). */
  readonly body: boolean;
  /** The first byte that will be wanted, as far as that is known before the size is. */
  readonly from: number;
  /** true: a directory is opened to be listed, or answers 'forbidden' where that is not allowed. */
  readonly listing: boolean;
  /** How long the client has been waiting already: that much less is left until the deadline. */
  readonly waitedMs?: number;
  /** A version that the caller holds: a body is only wanted of another one. */
  readonly known?: { readonly candidate: number; readonly stat: Stat } | null;
  /** Report the way. */
  readonly trail?: boolean;
  /** Names on the way may have been confirmed so long ago, in milliseconds; 0: not before this call. Default 1000. */
  readonly trustMs?: number;
}

/** How an answer came about, where there is a cache. */
export interface CacheNote {
  /**
   * `hit`: from memory alone; `revalidated`: from memory, and the volume said that it is still so; `stale`: from memory, as
   * the volume can't be asked; `miss`: from the volume.
   */
  readonly outcome: 'hit' | 'revalidated' | 'stale' | 'miss';
  /** How long it may be given without asking; negative for how long it should not have been. */
  readonly ttlMs: number;
  /** Several requests shared one look at the volume. */
  readonly collapsed: boolean;
}

/** What stands for a path in memory, be it only the stat of a file. */
export interface Remembered {
  readonly stat: Stat;
  /** Whether it may ever be given again: after another look, if not now. */
  readonly alive: boolean;
  /** Whether it may be given now without asking the volume; if so, that counts as a hit. `nowMs` is of performance.now(). */
  take(nowMs: number): boolean;
  /** It was given so many times, as it might be, without asking each time: as many hits. `nowMs` is of performance.now(). */
  used(count: number, nowMs: number): void;
  /** How long that will be so, unless it changes. */
  ttlMs(nowMs: number): number;
}

/** A whole file in memory, or a compressed form of one. `stat` is the file's. */
export interface Kept extends Remembered {
  readonly bytes: Uint8Array;
  /** All of it, for as long as it is being sent; to be released. */
  lend(): Chunk;
}

export type Compression = 'br' | 'gzip';

export interface KeptFile extends Kept {
  /** Its compressed form, if that is there; 'untried': it has to be made; 'none': it would hardly be smaller. */
  variant(encoding: Compression): Kept | 'untried' | 'none';
  /**
   * Makes it, once for all who want it, and keeps it as long as the file. `done` gets null where it can't be had, or not
   * before the deadline; it is never called from inside this call. `waitedMs`: as in OpenRequest.
   */
  compress(encoding: Compression, waitedMs: number, done: (variant: Kept | null) => void): Cancel;
}

/** What a volume says of itself. Times and order are those of its bricks' messages: several may come of one change. */
export type StorageEvent =
  /** The object's content, attributes or, for a folder, its entries are not what they were. */
  | { readonly kind: 'changed'; readonly gfid: string }
  /** Changes of the object will not be told any more. */
  | { readonly kind: 'unwatched'; readonly gfid: string }
  /** Anything may have changed without being told. */
  | { readonly kind: 'lost' }
  /** It does not answer: until it does, what is asked of it fails at once. */
  | { readonly kind: 'down' };

/** Names a root that `Storage.root` registered. */
export type RootId = number;

export type SymlinkPolicy = 'deny' | 'inside' | 'follow';

/** Stops caring about a call: its `done` will not be called, its result is thrown away. */
export type Cancel = () => void;

/** Bytes: the longest single read. */
export const MAX_CHUNK = 1 << 20;

/**
 * How much of a read of so many bytes should be read at once. libgfapi's buffers have sizes of powers of two, and what comes beside
 * the bytes has to fit in as well: a reply to a read of all of 256 KiB takes a buffer of 1 MiB, of which there are two.
 */
export function withRoom(length: number): number {
  const isSizeOfBuffer = length > 64 * 1024 && (length & (length - 1)) === 0;
  return isSizeOfBuffer ? length - 4096 : length;
}

export interface Storage {
  /** The name for logs and metrics. */
  readonly name: string;
  /** Bytes: files up to this size may be kept whole. Where it is missing: none. */
  readonly keepsUpTo?: number;
  /** Registers a folder to serve from, once at start. `path` is absolute on the volume, as bytes. */
  root(path: string, symlinks: SymlinkPolicy): RootId;
  /** Finds a file and, if wanted, its first bytes, in one job. `done` is never called from inside this call. */
  open(request: OpenRequest, done: (result: OpenResult) => void): Cancel;
  /** The same at once, where no volume need be asked; null: it must be opened. */
  peek(request: OpenRequest): OpenResult | null;
  /**
   * Tells what the volume says of itself, to one listener: a second call replaces the first one's. What was said before a
   * call of `open` ended is told before its `done` is called. Where bricks say nothing (features.cache-invalidation off),
   * only 'lost' and 'unwatched' come. Events may be lost without a word: they only ever make a change known sooner.
   */
  watch(listener: (event: StorageEvent) => void): void;
}
