/**
 * The typed face of the addon: the only file that loads the .node. It numbers jobs, hands each completion to whoever
 * waits for it, and lends out blocks. It validates nothing about paths or specs, and knows no retry and no deadline.
 */

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Chunk, OpenRequest, StorageEvent, SymlinkPolicy } from './storage.js';

/** The same numbers as `Status` in addon/status.h. */
export const Status = {
  ok: 0,
  notFound: 1,
  forbidden: 2,
  loop: 3,
  notConnected: 4,
  io: 5,
  changed: 6,
  busy: 7,
  closed: 8,
  cancelled: 9,
  noMemory: 10,
  notRegular: 11,
  badHandle: 12,
  timedOut: 13,
} as const;

/** The same numbers as `FileType` in addon/jobs.h. */
export const FileType = { none: 0, regular: 1, directory: 2, other: 3, link: 4 } as const;

/** What libgfapi has freed goes back to the kernel so often: a millisecond or two on another thread. */
const HEAP_TRIM_MS = 30_000;

/** What connects a volume; the addon's VolumeSpec. */
export interface NativeSpec {
  readonly volname: string;
  /** Whom libgfapi asks, where there is neither `volfileText` nor `volfile`. */
  readonly servers: readonly { transport: 'tcp' | 'unix'; host: string; port: number }[];
  /** A path, or ''. */
  readonly volfile: string;
  /** Used in its place, unless ''. Bytes, one a char. */
  readonly volfileText: string;
  readonly options: readonly { xlator: string; key: string; value: string }[];
  readonly logFile: string;
  /** GF_LOG_*: 2 critical … 9 trace. */
  readonly logLevel: number;
  readonly threads: number;
  readonly maxQueue: number;
  /** Held glfs_object_t. */
  readonly handleCapacity: number;
}

/** One job's result. Whoever receives it owns `chunk` and `fileId`. */
export interface Completion {
  readonly status: number;
  readonly errno: number;
  readonly candidate: number;
  readonly type: number;
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  readonly ctimeSeconds: number;
  readonly ctimeNanoseconds: number;
  readonly gfid: string;
  /** 0: none. */
  readonly fileId: number;
  readonly chunk: Chunk | null;
  /** It is the version that the request named as known. */
  readonly unchanged: boolean;
  /** See Opened. */
  readonly ageMs: number;
  /** See Opened. */
  readonly trail: readonly string[] | null;
}

/** What an open job is to bring. See OpenRequest. */
export type Wanted = Pick<OpenRequest, 'body' | 'listing' | 'known' | 'trail' | 'trustMs'>;

export type VolumeEvent =
  | { readonly kind: 'connected'; readonly ms: number }
  | {
      readonly kind: 'failed';
      readonly ms: number;
      readonly status: number;
      readonly errno: number;
    }
  | { readonly kind: 'closed' };

export interface NativeStats {
  readonly threads: number;
  readonly busy: number;
  readonly queued: number;
  /** Threads that have been in one call for longer than was asked. */
  readonly stuck: number;
  readonly handles: number;
  readonly openFiles: number;
}

interface Binding {
  start(
    onCompletions: (count: number) => void,
    onEvent: (volume: number, kind: number, status: number, errno: number, ms: number) => void,
    onNotices: (count: number) => void,
  ): {
    rows: Float64Array;
    gfids: Uint8Array;
    trails: Uint8Array;
    cancelled: Uint8Array;
    notices: Uint8Array;
    known: Float64Array;
  };
  connect(spec: NativeSpec): number;
  addRoot(path: string, policy: number): number;
  open(
    volume: number,
    token: number,
    root: number,
    candidates: string,
    inlineLimit: number,
    firstChunk: number,
    firstOffset: number,
    flags: number,
    knownGfid: string,
    trustMs: number,
  ): number;
  read(volume: number, token: number, file: number, offset: number, length: number): number;
  list(volume: number, token: number, file: number): number;
  release(volume: number, file: number): void;
  block(id: number): ArrayBuffer;
  recycle(id: number): void;
  trim(buffers: readonly (ArrayBuffer | undefined)[]): number[];
  trimHeaps(): void;
  close(volume: number): void;
  probe(volume: number, token: number): number;
  renewLayout(volume: number, token: number): number;
  watch(volume: number, token: number): number;
  distrust(volume: number): void;
  setSpare(volume: number, threads: number): void;
  stats(volume: number, stuckAfterMs: number): NativeStats | null;
  memory(): { blocks: number; blocksInUse: number; blockBytes: number };
  listeningSockets(): number[];
  duplicateSocket(fd: number): number;
  replaceSocket(fd: number, other: number): boolean;
  exitNow(status: number): never;
}

const COLUMNS = 19;
const MAX_JOBS = 65536;
const POLICIES = { deny: 0, inside: 1, follow: 2 } as const;
const WANT_BODY = 1;
const WANT_LISTING = 2;
const WANT_TRAIL = 4;
const IS_KNOWN = 8;
const GFID_BYTES = 16;
/** How old a look at a folder on the way may be, where the caller does not say. */
const FOLDER_TRUST_MS = 1_000;
/** Trail::kMost in addon/trail.h. */
const MOST_OF_A_TRAIL = 24;
/** The layout and the numbers of `Notice` in addon/notice_queue.h: volume, kind, gfid. */
const NOTICE_BYTES = 24;
const NOTICE_GFID = 8;
const NoticeKind = { changed: 0, unwatched: 1, lost: 2 } as const;

/** The package's folder: the first one above this file with a package.json. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

function loadBinding(): Binding {
  const file = join(packageRoot(), 'build', 'Release', 'gfserve.node');
  return createRequire(import.meta.url)(file) as Binding;
}

/** A block that is lent out as a chunk. Released once; after that its bytes may be anybody's. */
class BlockChunk implements Chunk {
  #released = false;

  constructor(
    readonly bytes: Uint8Array,
    private readonly id: number,
    private readonly recycle: (id: number) => void,
  ) {}

  release(): void {
    if (this.#released) throw new Error('a chunk was released twice');
    this.#released = true;
    this.recycle(this.id);
  }
}

type CompletionHandler = (completion: Completion) => void;

/** One per process. Loading it throws when the addon was not built or lacks its libraries. */
export class Native {
  readonly #binding = loadBinding();
  readonly #rows: Float64Array;
  readonly #gfids: Buffer;
  readonly #trails: Buffer;
  readonly #notices: Buffer;
  readonly #known: Float64Array;
  readonly #cancelled: Uint8Array;
  readonly #handlers: (CompletionHandler | undefined)[] = [];
  readonly #freeTokens: number[] = [];
  readonly #blocks: (ArrayBuffer | undefined)[] = [];
  readonly #events = new Map<number, (event: VolumeEvent) => void>();
  readonly #listeners = new Map<number, (event: StorageEvent) => void>();
  readonly #recycle = (id: number): void => this.#binding.recycle(id);
  readonly #trimmer: NodeJS.Timeout;

  constructor() {
    const memory = this.#binding.start(
      (count) => this.#onCompletions(count),
      (volume, kind, status, errno, ms) => this.#onEvent(volume, kind, status, errno, ms),
      (count) => this.#onNotices(count),
    );
    this.#rows = memory.rows;
    this.#gfids = Buffer.from(memory.gfids.buffer);
    this.#trails = Buffer.from(memory.trails.buffer);
    this.#notices = Buffer.from(memory.notices.buffer);
    this.#known = memory.known;
    this.#cancelled = memory.cancelled;
    for (let token = MAX_JOBS - 1; token >= 0; token--) this.#freeTokens.push(token);
    this.#trimmer = setInterval(() => this.trim(), 1000);
    this.#trimmer.unref();
    setInterval(() => this.#binding.trimHeaps(), HEAP_TRIM_MS).unref();
  }

  /**
   * Starts connecting; `onEvent` gets 'connected' or 'failed' once, and 'closed' at the end of `close`. Returns the
   * volume's number.
   */
  connect(spec: NativeSpec, onEvent: (event: VolumeEvent) => void): number {
    const volume = this.#binding.connect(spec);
    this.#events.set(volume, onEvent);
    return volume;
  }

  /** Ends a volume in the background: 'closed' comes when its last job is done, which may be never. */
  close(volume: number): void {
    this.#listeners.delete(volume);
    this.#binding.close(volume);
  }

  /**
   * What bricks say of the volume's objects, until it is closed: 'changed', 'unwatched' for one whose handle was given up to
   * hold another, and 'lost' when more came than was taken. What was said before a job ended comes before its completion.
   */
  listen(volume: number, listener: (event: StorageEvent) => void): void {
    this.#listeners.set(volume, listener);
  }

  /** What bricks said may have been lost: folders that were seen lately are looked up anew by the next jobs. */
  distrust(volume: number): void {
    this.#binding.distrust(volume);
  }

  addRoot(path: string, policy: SymlinkPolicy): number {
    return this.#binding.addRoot(path, POLICIES[policy]);
  }

  /** Returns the job's token, or -1 - status when it was refused; then `done` is never called. */
  open(
    volume: number,
    root: number,
    candidates: readonly string[],
    inlineLimit: number,
    firstChunk: number,
    firstOffset: number,
    wanted: Wanted,
    done: CompletionHandler,
  ): number {
    const token = this.#freeTokens.pop();
    if (token === undefined) return -1 - Status.busy;
    const known = wanted.known ?? null;
    if (known) this.#writeKnown(known);
    const status = this.#binding.open(
      volume,
      token,
      root,
      candidates.length === 1 ? (candidates[0] ?? '') : candidates.join('\0'),
      inlineLimit,
      firstChunk,
      firstOffset,
      (wanted.body ? WANT_BODY : 0) |
        (wanted.listing ? WANT_LISTING : 0) |
        (wanted.trail ? WANT_TRAIL : 0) |
        (known ? IS_KNOWN : 0),
      known?.stat.gfid ?? '',
      wanted.trustMs ?? FOLDER_TRUST_MS,
    );
    return this.#submitted(token, status, done);
  }

  /** As `open`, for `length` bytes (1 to MAX_CHUNK) at `offset`. */
  read(
    volume: number,
    file: number,
    offset: number,
    length: number,
    done: CompletionHandler,
  ): number {
    const token = this.#freeTokens.pop();
    if (token === undefined) return -1 - Status.busy;
    return this.#submitted(token, this.#binding.read(volume, token, file, offset, length), done);
  }

  /** As `open`, for the next entries of a folder; `candidate` of the completion is 1 at its end. See folder.ts. */
  list(volume: number, file: number, done: CompletionHandler): number {
    const token = this.#freeTokens.pop();
    if (token === undefined) return -1 - Status.busy;
    return this.#submitted(token, this.#binding.list(volume, token, file), done);
  }

  /** Closes a file or folder in the background. */
  release(volume: number, file: number): void {
    this.#binding.release(volume, file);
  }

  /** Tells the queue that a job need not run any more. Its completion comes all the same. */
  cancel(token: number): void {
    this.#cancelled[token] = 1;
  }

  /** Asks the bricks that are connected for something that no cache answers. Returns as `open` does. */
  probe(volume: number, done: CompletionHandler): number {
    const token = this.#freeTokens.pop();
    if (token === undefined) return -1 - Status.busy;
    return this.#submitted(token, this.#binding.probe(volume, token), done);
  }

  /** Looks at how a distributed volume's names are spread, on a thread that may hang. Returns as `open` does; one at a time. */
  renewLayout(volume: number, done: CompletionHandler): number {
    const token = this.#freeTokens.pop();
    if (token === undefined) return -1 - Status.busy;
    return this.#submitted(token, this.#binding.renewLayout(volume, token), done);
  }

  /** What libgfapi knows of the volume's layout and bricks, as text: see WatchJob in addon/jobs.h. */
  watch(volume: number, done: CompletionHandler): number {
    const token = this.#freeTokens.pop();
    if (token === undefined) return -1 - Status.busy;
    return this.#submitted(token, this.#binding.watch(volume, token), done);
  }

  /** How many threads there are beyond those of the spec, in place of stuck ones. */
  setSpare(volume: number, threads: number): void {
    this.#binding.setSpare(volume, threads);
  }

  stats(volume: number, stuckAfterMs: number): NativeStats | null {
    return this.#binding.stats(volume, stuckAfterMs);
  }

  memory(): { blocks: number; blocksInUse: number; blockBytes: number; jobs: number } {
    return { ...this.#binding.memory(), jobs: MAX_JOBS - this.#freeTokens.length };
  }

  /** Gives idle blocks back to the kernel: half of what was not needed since the last call. */
  trim(): void {
    for (const id of this.#binding.trim(this.#blocks)) this.#blocks[id] = undefined;
  }

  /** The descriptors of this process's listening sockets. */
  listeningSockets(): number[] {
    return this.#binding.listeningSockets();
  }

  /** Another descriptor of the same socket, which is the caller's; -1: there is none to be had. */
  duplicateSocket(fd: number): number {
    return this.#binding.duplicateSocket(fd);
  }

  /** Puts the socket behind `other`, which stays the caller's, behind `fd` too, whose own socket is closed. */
  replaceSocket(fd: number, other: number): boolean {
    return this.#binding.replaceSocket(fd, other);
  }

  /** Leaves the process at once: exit handlers would race with gfapi's threads. */
  exitNow(status: number): never {
    return this.#binding.exitNow(status);
  }

  #writeKnown({ candidate, stat }: NonNullable<Wanted['known']>): void {
    const out = this.#known;
    out[0] = candidate;
    out[1] = stat.size;
    out[2] = stat.mtimeSeconds;
    out[3] = stat.mtimeNanoseconds;
    out[4] = stat.ctimeSeconds;
    out[5] = stat.ctimeNanoseconds;
  }

  #submitted(token: number, status: number, done: CompletionHandler): number {
    if (status !== Status.ok) {
      this.#freeTokens.push(token);
      return -1 - status;
    }
    this.#handlers[token] = done;
    return token;
  }

  #onCompletions(count: number): void {
    for (let row = 0; row < count; row++) {
      const at = row * COLUMNS;
      const rows = this.#rows;
      const token = rows[at] ?? 0;
      const handler = this.#handlers[token];
      this.#handlers[token] = undefined;
      this.#cancelled[token] = 0;
      this.#freeTokens.push(token);
      if (handler) handler(this.#completion(row));
    }
  }

  #completion(row: number): Completion {
    const rows = this.#rows;
    const at = row * COLUMNS;
    const type = rows[at + 4] ?? 0;
    const block = rows[at + 12] ?? -1;
    return {
      status: rows[at + 1] ?? Status.io,
      errno: rows[at + 2] ?? 0,
      candidate: rows[at + 3] ?? 0,
      type,
      size: rows[at + 6] ?? 0,
      mtimeSeconds: rows[at + 7] ?? 0,
      mtimeNanoseconds: rows[at + 8] ?? 0,
      ctimeSeconds: rows[at + 9] ?? 0,
      ctimeNanoseconds: rows[at + 10] ?? 0,
      gfid: type === FileType.none ? '' : this.#gfids.toString('hex', row * 16, row * 16 + 16),
      fileId: rows[at + 11] ?? 0,
      chunk: block < 0 ? null : this.#chunk(block, rows[at + 13] ?? 0),
      unchanged: rows[at + 16] === 1,
      ageMs: rows[at + 18] ?? 0,
      trail: this.#trail(row, rows[at + 17] ?? -1),
    };
  }

  /** -1: there is none, or too much of it. */
  #trail(row: number, count: number): string[] | null {
    if (count < 0) return null;
    const trail: string[] = [];
    let at = row * MOST_OF_A_TRAIL * GFID_BYTES;
    for (let i = 0; i < count; i++, at += GFID_BYTES) {
      trail.push(this.#trails.toString('hex', at, at + GFID_BYTES));
    }
    return trail;
  }

  #onNotices(count: number): void {
    for (let at = 0; at < count * NOTICE_BYTES; at += NOTICE_BYTES) {
      const kind = this.#notices.readUInt32LE(at + 4);
      if (kind === NoticeKind.lost) {
        for (const listener of this.#listeners.values()) listener({ kind: 'lost' });
        continue;
      }
      const listener = this.#listeners.get(this.#notices.readUInt32LE(at));
      if (!listener) continue;
      const gfid = this.#notices.toString('hex', at + NOTICE_GFID, at + NOTICE_BYTES);
      listener({ kind: kind === NoticeKind.changed ? 'changed' : 'unwatched', gfid });
    }
  }

  #chunk(id: number, length: number): Chunk {
    let buffer = this.#blocks[id];
    if (!buffer) {
      buffer = this.#binding.block(id);
      this.#blocks[id] = buffer;
    }
    return new BlockChunk(new Uint8Array(buffer, 0, length), id, this.#recycle);
  }

  #onEvent(volume: number, kind: number, status: number, errno: number, ms: number): void {
    const handler = this.#events.get(volume);
    if (kind === 2) this.#events.delete(volume);
    if (!handler) return;
    if (kind === 0) handler({ kind: 'connected', ms });
    else if (kind === 1) handler({ kind: 'failed', ms, status, errno });
    else handler({ kind: 'closed' });
  }
}
