/** The entries of a folder that a client may see: hidden ones left out, links resolved. */
import type {
  Cancel,
  FolderEntry,
  OpenFolder,
  OpenResult,
  RootId,
  Storage,
  StorageError,
} from '../storage/storage.js';

export interface EntriesOptions {
  readonly storage: Pick<Storage, 'open'>;
  readonly root: RootId;
  /** The folder relative to the root, as bytes; '' or with a trailing slash. */
  readonly folderPath: string;
  /** false: links are left out, as none would be followed. */
  readonly links: boolean;
  readonly hidden: 'deny' | 'allow';
}

/** Files and directories only; links are what they lead to. There may be none, although more will come. */
export interface Entries {
  readonly ok: true;
  readonly entries: readonly FolderEntry[];
  readonly last: boolean;
}

export type EntriesResult = Entries | StorageError;

/** Links that are resolved at once: each takes a job, and other requests want theirs too. */
const LINKS_AT_ONCE = 8;

/** Links that are resolved by one `next`: a few milliseconds where lookups take part of one. */
const LINKS_PER_CALL = 128;

const isHidden = (name: string): boolean => name.startsWith('.') && name !== '.well-known';

/** What a link's target answers when there is nothing to show for it. */
const LEFT_OUT = new Set(['not-found', 'forbidden', 'not-regular', 'io', 'changed']);

/** Takes the folder over. One `next` at a time, and none after an error or the last. */
export class EntryReader {
  /** Links of the batch before, still to be resolved. */
  #links: FolderEntry[] = [];
  #folderEnded = false;
  readonly #lookups = new Set<Cancel>();
  #released = false;

  constructor(
    private readonly folder: OpenFolder,
    private readonly options: EntriesOptions,
  ) {}

  /** `done` is never called from inside this call, nor after `release`. */
  next(done: (result: EntriesResult) => void): void {
    if (this.#links.length > 0) this.#resolve(this.#links.splice(0, LINKS_PER_CALL), done);
    else this.#read(done);
  }

  /** Once or more. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#cancelLookups();
    this.folder.release();
  }

  get #ended(): boolean {
    return this.#folderEnded && this.#links.length === 0;
  }

  #read(done: (result: EntriesResult) => void): void {
    const { links, hidden } = this.options;
    this.folder.next((result) => {
      if (!result.ok) {
        done(result);
        return;
      }
      this.#folderEnded = result.last;
      const entries: FolderEntry[] = [];
      for (const entry of result.entries) {
        if (hidden === 'deny' && isHidden(entry.name)) continue;
        if (entry.type === 'file' || entry.type === 'directory') entries.push(entry);
        else if (entry.type === 'link' && links) this.#links.push(entry);
      }
      done({ ok: true, entries, last: this.#ended });
    });
  }

  #resolve(links: readonly FolderEntry[], done: (result: EntriesResult) => void): void {
    const entries: FolderEntry[] = [];
    let started = 0;
    let pending = 0;
    const settle = ({ name }: FolderEntry, result: OpenResult): void => {
      pending -= 1;
      if (result.ok) {
        const { type, size, mtimeSeconds } = result.stat;
        entries.push({ name, type, size, mtimeSeconds });
      } else if (!LEFT_OUT.has(result.code)) {
        this.#cancelLookups();
        done(result);
        return;
      }
      start();
      if (pending === 0) done({ ok: true, entries, last: this.#ended });
    };
    const start = (): void => {
      while (pending < LINKS_AT_ONCE) {
        const link = links[started++];
        if (!link) return;
        pending += 1;
        this.#open(link.name, (result) => settle(link, result));
      }
    };
    start();
  }

  #cancelLookups(): void {
    for (const cancel of this.#lookups) cancel();
    this.#lookups.clear();
  }

  #open(name: string, done: (result: OpenResult) => void): void {
    const { storage, root, folderPath } = this.options;
    const candidates = [folderPath + name];
    const request = { root, candidates, body: false, listing: false, from: 0 };
    const cancel = storage.open(request, (result) => {
      this.#lookups.delete(cancel);
      done(result);
    });
    this.#lookups.add(cancel);
  }
}
