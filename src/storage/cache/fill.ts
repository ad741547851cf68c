/** Reads the rest of a file that is to be kept whole. */
import {
  type Cancel,
  type Opened,
  type OpenFile,
  type StorageError,
  withRoom,
} from '../storage.js';

/** Bytes of one read. */
const PIECE = withRoom(256 * 1024);
/** Reads at once. */
const AT_ONCE = 4;

/**
 * Into `body`, which is as long as the file; `opened` is of the whole file from its beginning, and its chunk and file are
 * given back. `done` gets null, or why it failed; it is not called after a cancel.
 */
export function fill(
  opened: Opened & { readonly file: OpenFile },
  body: Uint8Array,
  waitedMs: number,
  done: (error: StorageError | null) => void,
): Cancel {
  const { file, chunk } = opened;
  let next = 0;
  let pending = 0;
  let ended = false;
  if (chunk && opened.chunkOffset === 0) {
    body.set(chunk.bytes);
    next = chunk.bytes.length;
  }
  chunk?.release();

  const finish = (error: StorageError | null): void => {
    if (ended) return;
    ended = true;
    done(error);
  };
  const more = (): void => {
    while (!ended && pending < AT_ONCE && next < body.length) {
      const offset = next;
      const length = Math.min(PIECE, body.length - offset);
      next += length;
      pending += 1;
      file.read(
        offset,
        length,
        (result) => {
          pending -= 1;
          if (result.ok) {
            if (!ended) body.set(result.chunk.bytes, offset);
            result.chunk.release();
          } else {
            finish(result);
          }
          step();
        },
        waitedMs,
      );
    }
  };
  const step = (): void => {
    more();
    if (pending > 0) return;
    file.release();
    finish(null);
  };
  step();
  return () => {
    ended = true;
  };
}
