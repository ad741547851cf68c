/** From what is known to what those who ask are told. */
import type { CacheNote, Opened, OpenRequest, OpenResult, StorageError } from '../storage.js';
import type { Name } from './entries.js';
import type { Flight } from './flights.js';

export type Outcome = CacheNote['outcome'];

/** Failures that say nothing of the file: a copy may be served instead. */
export const NO_WORD: ReadonlySet<StorageError['code']> = new Set([
  'connecting',
  'down',
  'busy',
  'timeout',
  'io',
]);

export function giveBack({ chunk, file, folder }: Opened): void {
  chunk?.release();
  file?.release();
  folder?.release();
}

/** Bytes that are not kept, lent to all who wait for them. */
export function lendOnce(flight: Flight, opened: Opened): void {
  const { chunk, ...rest } = opened;
  const cache = { outcome: 'miss', ttlMs: 0, collapsed: flight.collapsed } as const;
  const waiters = [...flight.waiters];
  let users = waiters.length;
  if (users === 0) chunk?.release();
  const release = (): void => {
    users -= 1;
    if (users === 0) chunk?.release();
  };
  for (const { request, done } of waiters) {
    if (request.body && chunk) done({ ...rest, cache, chunk: { bytes: chunk.bytes, release } });
    else done({ ...rest, cache, chunk: null });
    if (!request.body) release();
  }
}

/** What a name says to a request; null: not enough. */
export function answerFrom(
  name: Name,
  request: OpenRequest,
  outcome: Outcome,
  collapsed: boolean,
  nowMs: number,
): OpenResult | null {
  const { found } = name;
  const cache: CacheNote = { outcome, ttlMs: name.ttlMs(nowMs), collapsed };
  if (found.kind === 'absent') return { ok: false, code: 'not-found', errno: found.errno, cache };
  const { candidate, stat } = found;
  const none = {
    ok: true,
    candidate,
    stat,
    chunk: null,
    chunkOffset: 0,
    file: null,
    folder: null,
  } as const;
  switch (found.kind) {
    case 'directory':
      return request.listing ? null : { ...none, cache };
    case 'large':
      return { ...none, cache, remembered: name, file: request.body ? found.large.reader() : null };
    case 'file':
      if (!request.body || stat.size === 0) {
        return { ...none, cache, remembered: name, kept: found.content && name };
      }
      if (!found.content) return null;
      return { ...none, cache, remembered: name, chunk: found.content.lend(), kept: name };
    default: {
      const impossible: never = found;
      throw new Error(`unknown find ${String(impossible)}`);
    }
  }
}
