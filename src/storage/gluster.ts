/** Storage over the addon: one connected volume. Adds deadlines and cancellation to what native.ts passes through. */
import type { JobKind } from '../observe/volume_counters.js';
import type { Deadlines } from './deadlines.js';
import { parseEntries } from './folder.js';
import { type Completion, FileType, type Native, Status } from './native.js';
import { type Doubt, type Outlook, Persistence } from './persistence.js';
import type {
  Cancel,
  FolderBatch,
  FolderResult,
  Opened,
  OpenFile,
  OpenFolder,
  OpenRequest,
  OpenResult,
  ReadResult,
  StorageError,
  StorageErrorCode,
} from './storage.js';

/**
 * A body up to this many bytes comes whole with the open job, by anonymous reads on the held handle. Above it a file is
 * opened: a round trip more, which the size then pays for.
 */
export const INLINE_LIMIT = 256 * 1024;

/** Bytes of a larger file that come with its open job: little, as the client may be slow or gone. */
export const FIRST_CHUNK = 64 * 1024;

const CODES: Readonly<Record<number, StorageErrorCode>> = {
  [Status.notFound]: 'not-found',
  [Status.loop]: 'not-found',
  [Status.forbidden]: 'forbidden',
  [Status.notConnected]: 'down',
  [Status.closed]: 'down',
  [Status.changed]: 'changed',
  [Status.busy]: 'busy',
  [Status.noMemory]: 'busy',
  [Status.cancelled]: 'cancelled',
  [Status.notRegular]: 'not-regular',
  [Status.timedOut]: 'timeout',
};

const failure = (status: number, errno: number): StorageError => ({
  ok: false,
  code: CODES[status] ?? 'io',
  errno,
});

const failed = ({ status, errno }: Completion): StorageError => failure(status, errno);

const notOpened = (completion: Completion): StorageError => ({
  ...failed(completion),
  trail: completion.trail,
  ageMs: completion.ageMs,
});

const TIMEOUT: StorageError = { ok: false, code: 'timeout', errno: 0 };

type Read = Extract<ReadResult, { readonly ok: true }>;

function batchOf({ chunk, candidate }: Completion): FolderResult {
  if (!chunk) return failure(Status.io, 0);
  const entries = parseEntries(chunk.bytes);
  chunk.release();
  return { ok: true, entries, last: candidate === 1 };
}

type Settle<T> = (result: T | StorageError) => void;

/** What calls tell of the volume's health. Times are of performance.now(). */
export interface Signs extends Outlook {
  /** A call came back with an answer, if only that there is no such file. */
  answered(): void;
  /** A call came back because no brick that it needed is connected. */
  disconnected(): void;
  /** The deadline of a call that was made at `sinceMs` has passed. */
  overdue(sinceMs: number): void;
  /** A job came back so long after it was submitted. */
  took(job: JobKind, ms: number): void;
  /** A call has failed for good, with what libgfapi said of it. */
  failed(error: StorageError): void;
}

/** Completions that no brick and no cache of libgfapi had a part in, or that leave open whether one had. */
const NO_ANSWER: ReadonlySet<number> = new Set([
  Status.io,
  Status.changed,
  Status.busy,
  Status.closed,
  Status.cancelled,
  Status.noMemory,
  Status.badHandle,
  Status.timedOut,
]);

/** What a call met that may have been a change of the layout. `errno` 0: none of libgfapi's answers. */
const isFailure = ({ code, errno }: StorageError): boolean =>
  code === 'down' || (code === 'io' && errno !== 0);

/** While bricks are gone, "there is none" and "these are all" can't be said. */
function doubtOfOpen(result: OpenResult): Doubt {
  if (result.ok) return result.folder === null ? 'none' : 'missing';
  if (result.code === 'not-found' || result.code === 'forbidden') return 'missing';
  // A file that was another one at each attempt: so it looks, too, when a rebalance moves it.
  if (result.code === 'changed') return 'changing';
  return isFailure(result) ? 'failed' : 'none';
}

export class GlusterStorage {
  readonly #persistence: Persistence;

  /** `volume` is a connected one of `native`. All calls get the same deadline. */
  constructor(
    private readonly native: Native,
    private readonly volume: number,
    private readonly deadlines: Deadlines,
    private readonly signs: Signs,
  ) {
    this.#persistence = new Persistence(signs, deadlines);
  }

  /** Requests that no thread is at work for: they will ask again. */
  get waiting(): number {
    return this.#persistence.waiting;
  }

  /** Another one has taken its place: what fails is not asked for again here. */
  supersede(): void {
    this.#persistence.end();
  }

  /** See Storage.open. */
  open(request: OpenRequest, done: (result: OpenResult) => void): Cancel {
    return this.#persistence.run<Opened>(
      {
        call: (settle, waitedMs) =>
          this.#call<OpenResult>(
            'open',
            (completed) =>
              this.native.open(
                this.volume,
                request.root,
                request.candidates,
                INLINE_LIMIT,
                FIRST_CHUNK,
                request.from,
                request,
                completed,
              ),
            (completion) => this.#opened(completion, request.from),
            settle,
            waitedMs,
            notOpened,
          ),
        doubt: doubtOfOpen,
        discard: (result) => {
          if (result.ok) result.folder?.release();
        },
      },
      (result) => this.#done(result, done),
      request.waitedMs,
    );
  }

  #done<T extends { readonly ok: true }>(
    result: T | StorageError,
    done: (result: T | StorageError) => void,
  ): void {
    if (!result.ok && result.code !== 'not-found' && result.code !== 'forbidden') {
      this.signs.failed(result);
    }
    done(result);
  }

  #opened(completion: Completion, from: number): OpenResult {
    const { candidate, type, size, mtimeSeconds, mtimeNanoseconds, gfid, chunk, fileId } =
      completion;
    const { ctimeSeconds, ctimeNanoseconds } = completion;
    const isDirectory = type === FileType.directory;
    return {
      ok: true,
      candidate,
      stat: {
        type: isDirectory ? 'directory' : 'file',
        size,
        mtimeSeconds,
        mtimeNanoseconds,
        ctimeSeconds,
        ctimeNanoseconds,
        gfid,
      },
      unchanged: completion.unchanged,
      trail: completion.trail,
      ageMs: completion.ageMs,
      chunk,
      chunkOffset: fileId === 0 ? 0 : from,
      file: fileId === 0 || isDirectory ? null : this.#file(fileId),
      folder: fileId === 0 || !isDirectory ? null : this.#folder(fileId),
    };
  }

  #file(id: number): OpenFile {
    let released = false;
    return {
      read: (offset, length, done, waitedMs) => {
        this.#persistence.run<Read>(
          {
            call: (settle, waited) =>
              this.#call<ReadResult>(
                'read',
                (completed) => this.native.read(this.volume, id, offset, length, completed),
                ({ chunk }) => (chunk ? { ok: true, chunk } : failure(Status.io, 0)),
                settle,
                waited,
              ),
            doubt: (result) => (!result.ok && !released && isFailure(result) ? 'failed' : 'none'),
            discard: () => undefined,
          },
          (result) => (released ? done(result) : this.#done(result, done)),
          waitedMs,
        );
      },
      release: () => {
        if (released) throw new Error('a file was released twice');
        released = true;
        this.native.release(this.volume, id);
      },
    };
  }

  #folder(id: number): OpenFolder {
    let released = false;
    let cancel: Cancel | null = null;
    return {
      next: (done) => {
        if (released || cancel) throw new Error('a folder is read by one call at a time');
        cancel = this.#persistence.run<FolderBatch>(
          {
            call: (settle, waited) =>
              this.#call<FolderResult>(
                'list',
                (completed) => this.native.list(this.volume, id, completed),
                batchOf,
                settle,
                waited,
              ),
            // At its end all bricks must be there still. The stream can't be read again.
            doubt: (result) => (result.ok && result.last ? 'missing' : 'none'),
            again: false,
            discard: () => undefined,
          },
          (result) => {
            cancel = null;
            this.#done(result, done);
          },
        );
      },
      release: () => {
        if (released) throw new Error('a folder was released twice');
        released = true;
        cancel?.();
        this.native.release(this.volume, id);
      },
    };
  }

  /**
   * Submits one job. `done` gets its result, or 'timeout', or why it was refused, never from inside this call; a result
   * that comes after that gives back what it holds.
   */
  #call<T>(
    job: JobKind,
    submit: (settle: (completion: Completion) => void) => number,
    translate: (completion: Completion) => T,
    done: Settle<T>,
    waitedMs = 0,
    fail: (completion: Completion) => StorageError = failed,
  ): Cancel {
    let settled = false;
    const sinceMs = performance.now();
    const token = submit((completion) => {
      this.signs.took(job, performance.now() - sinceMs);
      this.#tell(completion.status);
      if (settled) {
        this.#discard(completion);
        return;
      }
      settled = true;
      this.deadlines.clear(deadline);
      done(completion.status === Status.ok ? translate(completion) : fail(completion));
    });
    if (token < 0) {
      queueMicrotask(() => {
        if (!settled) done(failure(-1 - token, 0));
        settled = true;
      });
      return () => {
        settled = true;
      };
    }
    const abandon = (): void => {
      settled = true;
      this.native.cancel(token);
    };
    const deadline = this.deadlines.set(() => {
      abandon();
      // One that had little time left says nothing of the volume.
      if (waitedMs < this.deadlines.lengthMs / 2) this.signs.overdue(sinceMs);
      done(TIMEOUT);
    }, waitedMs);
    return () => {
      if (settled) return;
      this.deadlines.clear(deadline);
      abandon();
    };
  }

  #tell(status: number): void {
    if (status === Status.notConnected) this.signs.disconnected();
    else if (!NO_ANSWER.has(status)) this.signs.answered();
  }

  #discard(completion: Completion): void {
    completion.chunk?.release();
    if (completion.fileId !== 0) this.native.release(this.volume, completion.fileId);
  }
}
