/** Storage over the addon: one connected volume. Adds deadlines and cancellation to what native.ts passes through. */
import type { Deadlines } from './deadlines.js';
import { parseEntries } from './folder.js';
import { type Completion, FileType, type Native, Status } from './native.js';
import type {
  Cancel,
  FolderResult,
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
});

const TIMEOUT: StorageError = { ok: false, code: 'timeout', errno: 0 };

type Settle<T> = (result: T | StorageError) => void;

/** What calls tell of the volume's health. Times are of performance.now(). */
export interface Signs {
  /** A call came back with an answer, if only that there is no such file. */
  answered(): void;
  /** A call came back because no brick that it needed is connected. */
  disconnected(): void;
  /** Whether bricks are gone without which files seem not to be there. */
  hidesFiles(): boolean;
  /** The deadline of a call that was made at `sinceMs` has passed. */
  overdue(sinceMs: number): void;
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

export class GlusterStorage {
  /** `volume` is a connected one of `native`. All calls get the same deadline. */
  constructor(
    private readonly native: Native,
    private readonly volume: number,
    private readonly deadlines: Deadlines,
    private readonly signs: Signs,
  ) {}

  /** See Storage.open. */
  open(request: OpenRequest, done: (result: OpenResult) => void): Cancel {
    return this.#call<OpenResult>(
      (settle) =>
        this.native.open(
          this.volume,
          request.root,
          request.candidates,
          INLINE_LIMIT,
          FIRST_CHUNK,
          request.from,
          request,
          settle,
        ),
      (completion) => this.#opened(completion, request.from),
      (result) => done(this.#certain(result)),
      request.waitedMs,
      notOpened,
    );
  }

  /** While bricks are gone, "there is none" and "these are all" can't be said. */
  #certain(result: OpenResult): OpenResult {
    if (result.ok) {
      if (!result.folder || !this.signs.hidesFiles()) return result;
      result.folder.release();
      return { ok: false, code: 'down', errno: 0 };
    }
    const uncertain = result.code === 'not-found' || result.code === 'forbidden';
    return uncertain && this.signs.hidesFiles() ? { ...result, code: 'down' } : result;
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
        this.#call<ReadResult>(
          (settle) => this.native.read(this.volume, id, offset, length, settle),
          ({ chunk }) => (chunk ? { ok: true, chunk } : failure(Status.io, 0)),
          done,
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
        cancel = this.#call<FolderResult>(
          (settle) => this.native.list(this.volume, id, settle),
          ({ chunk, candidate }) => {
            if (!chunk) return failure(Status.io, 0);
            const entries = parseEntries(chunk.bytes);
            chunk.release();
            return { ok: true, entries, last: candidate === 1 };
          },
          (result) => {
            cancel = null;
            done(result);
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
    submit: (settle: (completion: Completion) => void) => number,
    translate: (completion: Completion) => T,
    done: Settle<T>,
    waitedMs = 0,
    fail: (completion: Completion) => StorageError = failed,
  ): Cancel {
    let settled = false;
    const sinceMs = performance.now();
    const token = submit((completion) => {
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
      this.signs.overdue(sinceMs);
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
