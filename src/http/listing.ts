/**
 * The listing of a folder, as a body. A short one is whole, so that it has a length; of a long one the head goes out as
 * soon as the folder is open, and the rest is rendered as fast as the client takes it.
 *
 * Memory: SORTED_ENTRIES of each listing, MEMORY_ENTRIES of all in a worker, some 150 bytes each. What is larger is not
 * sorted, and needs no more than what it had collected until then and a block of entries.
 */
import type { Cancel, FolderEntry, OpenFolder, StorageError } from '../storage/storage.js';
import type { BodySource } from './body_source.js';
import type { Header } from './head.js';
import { type EntriesOptions, type EntriesResult, EntryReader } from './listing_entries.js';
import { htmlFormat } from './listing_html.js';
import { jsonFormat } from './listing_json.js';
import { compareBy, DEFAULT_ORDER, type Order, parseOrder } from './listing_order.js';
import { countEntry, type ListingFormat, noTotals } from './listing_page.js';
import { type ListingMemory, ListingSource } from './listing_source.js';
import { CONTENT_SECURITY_POLICY } from './listing_style.js';

/** Bytes: up to this, a folder that came in one batch is answered whole. */
const WHOLE_BYTES = 64 * 1024;

/** No row has less than 64 bytes: with more entries than this, WHOLE_BYTES will not do. */
const WHOLE_ENTRIES = WHOLE_BYTES / 64;

/** How long to wait for a folder that may turn out to be short, before the head of a long one goes out. */
const WHOLE_MS = 250;

export type Listing =
  /** All of it, in UTF-8. */
  | { readonly kind: 'whole'; readonly body: Uint8Array }
  /** Of unknown length. Whoever gets it must pull it to its end, or cancel it. */
  | { readonly kind: 'stream'; readonly source: BodySource }
  | { readonly kind: 'failed'; readonly error: StorageError };

export interface ListingRequest extends EntriesOptions {
  readonly format: 'html' | 'json';
  /** The URL's path, decoded to bytes; ends with a slash. */
  readonly path: string;
  /** The mount's: `path` begins with it and a slash. */
  readonly prefix: string;
  /** As sent. It chooses the order of a page; JSON has always the same. */
  readonly query: string;
}

/** The headers of a listing's answer: how its content is to be taken. */
export const listingHeaders = (format: 'html' | 'json'): readonly Header[] => [
  ['Content-Type', format === 'html' ? 'text/html; charset=utf-8' : 'application/json'],
  ['X-Content-Type-Options', 'nosniff'],
  ...(format === 'html' ? [['Content-Security-Policy', CONTENT_SECURITY_POLICY] as const] : []),
];

/**
 * Lists a folder, which it takes over. `done` is called once, never from inside this call. The returned function is for a
 * client that goes away before that: `done` is not called any more, and everything is given back.
 */
export function prepareListing(
  folder: OpenFolder,
  request: ListingRequest,
  memory: ListingMemory,
  done: (listing: Listing) => void,
): Cancel {
  const order = request.format === 'html' ? parseOrder(request.query) : DEFAULT_ORDER;
  const createFormat = (): ListingFormat =>
    request.format === 'html' ? htmlFormat({ ...request, order }) : jsonFormat();
  const reader = new EntryReader(folder, request);
  const entries: FolderEntry[] = [];
  const start = performance.now();
  const onEntries = (result: EntriesResult): void => {
    if (!result.ok) {
      reader.release();
      done({ kind: 'failed', error: result });
      return;
    }
    for (const entry of result.entries) entries.push(entry);
    const isShort = entries.length <= WHOLE_ENTRIES;
    if (!result.last && isShort && performance.now() - start < WHOLE_MS) {
      reader.next(onEntries);
      return;
    }
    if (result.last && isShort) {
      const body = renderWhole(entries, createFormat(), order);
      if (body.length <= WHOLE_BYTES) {
        reader.release();
        done({ kind: 'whole', body });
        return;
      }
    }
    const gathered = { entries, last: result.last };
    const source = new ListingSource(reader, createFormat(), order, memory, gathered);
    done({ kind: 'stream', source });
  };
  reader.next(onEntries);
  return () => reader.release();
}

function renderWhole(entries: FolderEntry[], format: ListingFormat, order: Order): Uint8Array {
  const totals = noTotals();
  for (const entry of entries) countEntry(totals, entry);
  const rows = entries.sort(compareBy(order)).map((entry) => format.row(entry));
  return Buffer.from(
    [format.head(), format.rowsBegin(totals), ...rows, format.foot(totals)].join(''),
  );
}
