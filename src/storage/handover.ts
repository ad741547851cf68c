/**
 * What outlives a connection that another one took the place of: requests that it could not answer are made again over the
 * new one, and so are reads of files that were opened over the old one.
 */
import type {
  Cancel,
  Opened,
  OpenFile,
  OpenRequest,
  OpenResult,
  ReadResult,
  Stat,
  StorageError,
  StorageErrorCode,
} from './storage.js';

export interface Opener {
  open(request: OpenRequest, done: (result: OpenResult) => void): Cancel;
}

/**
 * When a brick of a replica comes back, a read of a file that is open can fail with ENOTCONN for a moment, though its other
 * copies are there (GlusterFS 10.3, afr): it is asked for again so many times, so long after one another, before it has failed.
 */
const AGAIN = 3;
const AGAIN_MS = 100;

/** Gives the opener that is in use now; null: there is none. */
export type InUse = () => Opener | null;

/** What may be otherwise over another connection. */
const BY_CONNECTION: ReadonlySet<StorageErrorCode> = new Set([
  'down',
  'io',
  'not-found',
  'forbidden',
  'changed',
]);

/** As Storage.open, over what is in use now and whatever comes in its place. */
export function openByLatest(
  opener: Opener,
  inUse: InUse,
  request: OpenRequest,
  done: (result: OpenResult) => void,
): Cancel {
  const startMs = performance.now();
  let cancel = opener.open(request, (result) => {
    if (result.ok) {
      done(result.file === null ? result : carried(result, result.file, opener, inUse, request));
      return;
    }
    const latest = inUse();
    if (latest === null || latest === opener || !BY_CONNECTION.has(result.code)) {
      done(result);
      return;
    }
    const waitedMs = (request.waitedMs ?? 0) + performance.now() - startMs;
    cancel = openByLatest(latest, inUse, { ...request, waitedMs }, done);
  });
  return () => cancel();
}

function carried(
  opened: Opened,
  file: OpenFile,
  opener: Opener,
  inUse: InUse,
  { root, candidates }: OpenRequest,
): Opened {
  const candidate = candidates[opened.candidate];
  if (candidate === undefined) return opened;
  const again = { root, candidates: [candidate], body: true, listing: false };
  return { ...opened, file: new CarriedFile(file, opener, inUse, again, opened.stat) };
}

const sameVersion = (a: Stat, b: Stat): boolean =>
  a.gfid === b.gfid &&
  a.size === b.size &&
  a.mtimeSeconds === b.mtimeSeconds &&
  a.mtimeNanoseconds === b.mtimeNanoseconds;

interface Wanted {
  readonly offset: number;
  readonly length: number;
  readonly done: (result: ReadResult) => void;
  readonly waitedMs: number;
  /** How often it may be asked for again over the same connection. */
  readonly again: number;
}

type Reopened = (file: OpenFile | null) => void;

class CarriedFile implements OpenFile {
  #released = false;
  /** Who waits for the file to be open over another connection. */
  #reopening: Reopened[] | null = null;

  constructor(
    private file: OpenFile,
    private opener: Opener,
    private readonly inUse: InUse,
    private readonly request: Omit<OpenRequest, 'from'>,
    private readonly stat: Stat,
  ) {}

  read(offset: number, length: number, done: (result: ReadResult) => void, waitedMs = 0): void {
    this.#read({ offset, length, done, waitedMs, again: AGAIN });
  }

  #read(wanted: Wanted): void {
    const { offset, length, done, waitedMs, again } = wanted;
    const startMs = performance.now();
    const waited = (): number => waitedMs + performance.now() - startMs;
    const { file } = this;
    file.read(
      offset,
      length,
      (result) => {
        if (result.ok || this.#released) {
          done(result);
        } else if (this.#mayMove(file, result)) {
          this.#reopen(offset, waited(), file, (other) => {
            if (other === null) done(result);
            else this.#read({ ...wanted, waitedMs: waited() });
          });
        } else if (result.code === 'down' && again > 0 && this.inUse() !== null) {
          setTimeout(() => {
            if (this.#released) done(result);
            else this.#read({ ...wanted, waitedMs: waited(), again: again - 1 });
          }, AGAIN_MS);
        } else {
          done(result);
        }
      },
      waitedMs,
    );
  }

  release(): void {
    this.#released = true;
    this.file.release();
  }

  #mayMove(file: OpenFile, { code }: StorageError): boolean {
    // A file that has moved to a brick of the new layout looks empty where it was.
    if (code !== 'down' && code !== 'io' && code !== 'changed') return false;
    const latest = this.inUse();
    return file !== this.file || (latest !== null && latest !== this.opener);
  }

  #reopen(from: number, waitedMs: number, failed: OpenFile, done: Reopened): void {
    if (failed !== this.file) {
      done(this.file); // another read has been faster
      return;
    }
    if (this.#reopening !== null) {
      this.#reopening.push(done);
      return;
    }
    const latest = this.inUse();
    if (latest === null) {
      done(null);
      return;
    }
    this.#reopening = [done];
    latest.open({ ...this.request, from, waitedMs }, (result) => {
      const file = this.#taken(result);
      if (file !== null) {
        this.file.release();
        [this.file, this.opener] = [file, latest];
      }
      const waiting = this.#reopening ?? [];
      this.#reopening = null;
      for (const one of waiting) one(file);
    });
  }

  /** What it opened, where that is the same version of the file, and still wanted. */
  #taken(result: OpenResult): OpenFile | null {
    if (!result.ok) return null;
    result.chunk?.release();
    result.folder?.release();
    if (result.file === null) return null;
    if (!this.#released && sameVersion(result.stat, this.stat)) return result.file;
    result.file.release();
    return null;
  }
}
