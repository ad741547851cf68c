/** A folder of a storage that is no volume: batches as they are given, and what was done to it. */
import type {
  FolderEntry,
  FolderResult,
  OpenFolder,
  OpenRequest,
  OpenResult,
  Storage,
  StorageErrorCode,
} from '../../src/storage/storage.js';

export class FakeFolder {
  released = 0;
  reads = 0;
  #reading = false;

  constructor(
    private readonly batches: readonly (readonly FolderEntry[] | StorageErrorCode)[],
    private readonly delayMs = 0,
  ) {}

  readonly open: OpenFolder = {
    next: (done: (result: FolderResult) => void) => {
      if (this.#reading || this.released > 0)
        throw new Error('a bug: read twice, or after release');
      this.#reading = true;
      const batch = this.batches[this.reads++];
      if (batch === undefined) throw new Error('a bug: read beyond the end');
      const last = this.reads === this.batches.length;
      setTimeout(() => {
        this.#reading = false;
        if (this.released > 0) return;
        if (typeof batch === 'string') done({ ok: false, code: batch, errno: 0 });
        else done({ ok: true, entries: batch, last });
      }, this.delayMs);
    },
    release: () => {
      this.released += 1;
    },
  };
}

/** Resolves links: what each path leads to, or why it leads nowhere. */
export class FakeTargets implements Storage {
  readonly name = 'fake';
  readonly asked: OpenRequest[] = [];
  atOnce = 0;
  mostAtOnce = 0;

  constructor(
    private readonly targets: Readonly<Record<string, Partial<FolderEntry> | StorageErrorCode>>,
  ) {}

  root(): number {
    return 0;
  }

  watch(): void {}

  open(request: OpenRequest, done: (result: OpenResult) => void): () => void {
    this.asked.push(request);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce);
    const target = this.targets[request.candidates[0] ?? ''] ?? 'not-found';
    const timer = setImmediate(() => {
      this.atOnce -= 1;
      if (typeof target === 'string') {
        done({ ok: false, code: target, errno: 0 });
        return;
      }
      const type = target.type === 'directory' ? 'directory' : 'file';
      const { size = 0, mtimeSeconds = 0 } = target;
      const stat = {
        type,
        size,
        mtimeSeconds,
        mtimeNanoseconds: 0,
        ctimeSeconds: mtimeSeconds,
        ctimeNanoseconds: 0,
        gfid: '0'.repeat(32),
      } as const;
      done({
        ok: true,
        candidate: 0,
        stat,
        chunk: null,
        chunkOffset: 0,
        file: null,
        folder: null,
      });
    });
    return () => {
      clearImmediate(timer);
      this.atOnce -= 1;
    };
  }
}
