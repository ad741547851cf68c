/** Cache-Status (RFC 9211): how an answer came about. Pure. */
import type { CacheNote } from '../storage/storage.js';

/** `note` is null where no cache had a part in it; `asked`: a volume was. */
export function cacheStatus(note: CacheNote | null, asked: boolean): string {
  if (!note) return asked ? 'gfserve; fwd=bypass' : 'gfserve';
  // Only a copy that is too old has less than none left.
  const left = note.outcome === 'stale' ? note.ttlMs : Math.max(0, note.ttlMs);
  const ttl = `; ttl=${Math.floor(left / 1000)}`;
  const collapsed = note.collapsed ? '; collapsed' : '';
  switch (note.outcome) {
    case 'hit':
    case 'stale':
      return `gfserve; hit${ttl}`;
    case 'revalidated':
      return `gfserve; fwd=stale; fwd-status=304${ttl}${collapsed}`;
    case 'miss':
      return `gfserve; fwd=miss${ttl}${collapsed}`;
    default:
      return note.outcome satisfies never;
  }
}
