/** A storage that is no volume: files in memory, and what was asked of it. */
import { createHash } from 'node:crypto';
import type {
  Cancel,
  OpenFile,
  OpenRequest,
  OpenResult,
  Stat,
  Storage,
  StorageError,
  StorageErrorCode,
  StorageEvent,
} from '../../src/storage/storage.js';

/** As GlusterStorage has it: larger files come with an open file, and their first bytes. */
const INLINE = 256 * 1024;
const FIRST = 64 * 1024;

interface FakeFile {
  readonly stat: Stat;
  readonly bytes: Buffer;
}

export const gfidOf = (text: string): string => createHash('md5').update(text).digest('hex');

export class FakeVolume implements Storage {
  readonly name = 'fake';
  readonly opens: OpenRequest[] = [];
  /** Offset and length of each read of an open file. */
  readonly reads: (readonly [number, number])[] = [];
  /** Chunks, files and folders that were handed out and not given back. */
  lent = 0;
  /** What every call answers, instead of what is there. */
  failure: StorageErrorCode | null = null;
  /** What every read of an open file answers. */
  readFailure: StorageErrorCode | null = null;
  /** How long a call takes. */
  delayMs = 0;
  /** When files that are written from now on say that they have changed; long ago. */
  changedSeconds = 1_700_000_000;
  readonly #files = new Map<string, FakeFile | 'directory'>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #listener: (event: StorageEvent) => void = () => undefined;
  #version = 0;

  root(): number {
    return 0;
  }

  peek(): null {
    return null;
  }

  watch(listener: (event: StorageEvent) => void): void {
    this.#listener = listener;
  }

  tell(event: StorageEvent): void {
    this.#listener(event);
  }

  /** Another version in place of the one that was there: by a new file, or in place. */
  write(path: string, bytes: Buffer | string, inPlace = false): Stat {
    this.#version += 1;
    const former = this.#files.get(path);
    const kept = inPlace && former !== undefined && former !== 'directory';
    const body = Buffer.from(bytes);
    const stat: Stat = {
      type: 'file',
      size: body.length,
      mtimeSeconds: this.changedSeconds,
      mtimeNanoseconds: this.#version,
      ctimeSeconds: this.changedSeconds,
      ctimeNanoseconds: this.#version,
      gfid: kept ? former.stat.gfid : gfidOf(`${path} ${this.#version}`),
    };
    this.#files.set(path, { stat, bytes: body });
    return stat;
  }

  /** A piece of its last change that is stored only now: its stat is what it was. */
  storeLate(path: string, bytes: Buffer | string): void {
    const file = this.#files.get(path);
    if (file === undefined || file === 'directory') throw new Error(`${path} is no file`);
    this.#files.set(path, { stat: file.stat, bytes: Buffer.from(bytes) });
  }

  makeFolder(path: string): void {
    this.#files.set(path, 'directory');
  }

  remove(path: string): void {
    this.#files.delete(path);
  }

  open(request: OpenRequest, done: (result: OpenResult) => void): Cancel {
    this.opens.push(request);
    // What is there when the call begins may not be what is there when it ends: it is looked up at its end.
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      done(this.#result(request));
    }, this.delayMs);
    this.#timers.add(timer);
    return () => {
      clearTimeout(timer);
      this.#timers.delete(timer);
    };
  }

  #result({ candidates, body, from, known, listing }: OpenRequest): OpenResult {
    if (this.failure !== null) return failed(this.failure);
    const trail = [gfidOf('/'), ...foldersOf(candidates[0] ?? '').map(gfidOf)];
    const candidate = candidates.findIndex((path) => this.#files.has(path));
    const found = this.#files.get(candidates[candidate] ?? '');
    if (found === undefined) return { ...failed('not-found'), trail };
    const none = { ok: true, candidate, chunk: null, chunkOffset: 0, file: null, trail } as const;
    if (found === 'directory') {
      const stat: Stat = { ...FOLDER, gfid: gfidOf(candidates[candidate] ?? '') };
      if (listing) this.lent += 1;
      const release = (): void => {
        this.lent -= 1;
      };
      return { ...none, stat, folder: listing ? { next: () => undefined, release } : null };
    }
    const { stat, bytes } = found;
    const opened = { ...none, stat, folder: null };
    if (known && known.candidate === candidate && same(known.stat, stat)) {
      return { ...opened, unchanged: true };
    }
    if (!body || bytes.length === 0) return opened;
    if (bytes.length <= INLINE) return { ...opened, chunk: this.#chunk(bytes) };
    const chunk = from < bytes.length ? this.#chunk(bytes.subarray(from, from + FIRST)) : null;
    return { ...opened, chunk, chunkOffset: from, file: this.#file(found) };
  }

  /** Overwritten when it is given back, as blocks of memory that are used again are. */
  #chunk(bytes: Uint8Array) {
    const copy = Buffer.from(bytes);
    this.lent += 1;
    return {
      bytes: copy,
      release: () => {
        this.lent -= 1;
        copy.fill(0xee);
      },
    };
  }

  #file(file: FakeFile): OpenFile {
    this.lent += 1;
    return {
      read: (offset, length, done) => {
        this.reads.push([offset, length]);
        const failure = this.failure ?? this.readFailure;
        setTimeout(() => {
          if (failure !== null) done(failed(failure));
          else done({ ok: true, chunk: this.#chunk(file.bytes.subarray(offset, offset + length)) });
        }, this.delayMs);
      },
      release: () => {
        this.lent -= 1;
      },
    };
  }
}

const FOLDER = {
  type: 'directory',
  size: 0,
  mtimeSeconds: 0,
  mtimeNanoseconds: 0,
  ctimeSeconds: 0,
  ctimeNanoseconds: 0,
} as const;

const failed = (code: StorageErrorCode): StorageError => ({ ok: false, code, errno: 0 });

const same = (a: Stat, b: Stat): boolean =>
  a.gfid === b.gfid && a.size === b.size && a.ctimeNanoseconds === b.ctimeNanoseconds;

/** `/a/b/c` → `/a`, `/a/b` */
function foldersOf(path: string): string[] {
  const parts = path.split('/').slice(1, -1);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
}
