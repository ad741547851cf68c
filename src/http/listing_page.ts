/** What a listing is made of, in whatever format. */
import type { FolderEntry } from '../storage/storage.js';

/** What has been listed. */
export interface Totals {
  folders: number;
  files: number;
  /** Of the files. */
  bytes: number;
}

export const noTotals = (): Totals => ({ folders: 0, files: 0, bytes: 0 });

export function countEntry(totals: Totals, { type, size }: FolderEntry): void {
  if (type === 'directory') {
    totals.folders += 1;
  } else {
    totals.files += 1;
    totals.bytes += size;
  }
}

/** Writes one listing: head, rowsBegin, a row for each entry, foot. */
export interface ListingFormat {
  /** Sent before anything is known of the folder. */
  head(): string;
  /** `totals` when everything is known and sorted; null when the entries follow as they come. */
  rowsBegin(totals: Totals | null): string;
  row(entry: FolderEntry): string;
  foot(totals: Totals): string;
}
