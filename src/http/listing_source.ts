/** A long listing, rendered as it is pulled. Never holds the event loop for more than a few milliseconds. */
import type { FolderEntry } from '../storage/storage.js';
import type { BodySource, Piece } from './body_source.js';
import type { EntriesResult, EntryReader } from './listing_entries.js';
import { compareBy, type Order, RUN_LENGTH, Sorter } from './listing_order.js';
import { countEntry, type ListingFormat, noTotals } from './listing_page.js';

/** Up to so many entries a listing is sorted. */
export const SORTED_ENTRIES = 100_000;

/** Entries that all listings of a worker together may hold to sort them. */
export const MEMORY_ENTRIES = 500_000;

/** Characters of a piece, at which it is full: some 200 rows, a millisecond. */
const PIECE_CHARS = 32 * 1024;

/** What a worker's listings share. */
export class ListingMemory {
  heldEntries = 0;
}

type Phase = 'head' | 'collecting' | 'rows' | 'ended';

export class ListingSource implements BodySource {
  readonly #totals = noTotals();
  readonly #sorter: Sorter;
  #phase: Phase = 'head';
  /** Read, and neither in the sorter nor rendered: those from #nextIncoming on. */
  #incoming: readonly FolderEntry[];
  #nextIncoming = 0;
  /** Nothing comes after #incoming. */
  #last: boolean;
  /** What this listing has of `memory`. */
  #held = 0;
  #waiting: ((piece: Piece) => void) | null = null;
  #immediate: NodeJS.Immediate | null = null;

  /** Takes `reader` over; `gathered` is what it has said already. */
  constructor(
    private readonly reader: EntryReader,
    private readonly format: ListingFormat,
    order: Order,
    private readonly memory: ListingMemory,
    gathered: { readonly entries: readonly FolderEntry[]; readonly last: boolean },
  ) {
    this.#sorter = new Sorter(compareBy(order));
    this.#incoming = gathered.entries;
    this.#last = gathered.last;
    // From now on the folder is not needed any more, however long the client takes.
    if (gathered.last) reader.release();
  }

  pull(done: (piece: Piece) => void): void {
    this.#waiting = done;
    this.#later();
  }

  cancel(): void {
    if (this.#immediate) clearImmediate(this.#immediate);
    this.#waiting = null;
    this.#end();
  }

  #later(): void {
    this.#immediate = setImmediate(() => this.#step());
  }

  #step(): void {
    switch (this.#phase) {
      case 'head':
        this.#phase = 'collecting';
        this.#give(this.format.head());
        return;
      case 'collecting':
        this.#collect();
        return;
      case 'rows':
        this.#render('');
        return;
      case 'ended':
        this.#answer({ kind: 'end' });
        return;
      default: {
        const impossible: never = this.#phase;
        throw new Error(`unknown phase ${String(impossible)}`);
      }
    }
  }

  /** One run of entries into the sorter. */
  #collect(): void {
    const entries = this.#incoming.slice(this.#nextIncoming, this.#nextIncoming + RUN_LENGTH);
    this.#nextIncoming += entries.length;
    for (const entry of entries) countEntry(this.#totals, entry);
    this.#sorter.add(entries);
    this.#held += entries.length;
    this.memory.heldEntries += entries.length;
    const isAll = this.#nextIncoming === this.#incoming.length;
    if (isAll && this.#last) this.#beginRows(true);
    else if (this.#held >= SORTED_ENTRIES || this.memory.heldEntries >= MEMORY_ENTRIES)
      this.#beginRows(false);
    else if (isAll) this.#read();
    else this.#later();
  }

  #beginRows(isSorted: boolean): void {
    this.#phase = 'rows';
    this.#render(this.format.rowsBegin(isSorted ? this.#totals : null));
  }

  #render(begin: string): void {
    let text = begin;
    while (text.length < PIECE_CHARS) {
      const entry = this.#nextEntry();
      if (!entry) break;
      text += this.format.row(entry);
    }
    if (text.length < PIECE_CHARS && this.#last) {
      text += this.format.foot(this.#totals);
      this.#end();
    }
    if (text === '') this.#read();
    else this.#give(text);
  }

  /** What was collected, then, in a listing that is too long to be sorted, what comes after it. */
  #nextEntry(): FolderEntry | null {
    const sorted = this.#sorter.next();
    if (sorted) return sorted;
    const entry = this.#incoming[this.#nextIncoming];
    if (!entry) return null;
    this.#nextIncoming += 1;
    countEntry(this.#totals, entry);
    return entry;
  }

  #read(): void {
    this.reader.next((result) => this.#onEntries(result));
  }

  #onEntries(result: EntriesResult): void {
    if (!result.ok) {
      this.#end();
      this.#answer({ kind: 'failed', error: result });
      return;
    }
    this.#incoming = result.entries;
    this.#nextIncoming = 0;
    this.#last = result.last;
    if (result.last) this.reader.release();
    this.#later();
  }

  #give(text: string): void {
    this.#answer({ kind: 'piece', bytes: Buffer.from(text) });
  }

  #answer(piece: Piece): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.(piece);
  }

  #end(): void {
    if (this.#phase === 'ended') return;
    this.#phase = 'ended';
    this.memory.heldEntries -= this.#held;
    this.#held = 0;
    this.reader.release();
  }
}
