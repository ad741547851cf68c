/** What an answer's body consists of, before it is sent. */
import type { Chunk, OpenFile } from '../storage/storage.js';

export type Piece =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** `length` bytes (at least 1) of the file from `offset` on. */
  | { readonly kind: 'file'; readonly offset: number; readonly length: number };

/** Whoever holds one must release `chunk` and `file` when it is done with them. */
export interface FileBody {
  /** In bytes, of all pieces together; at least 1. */
  readonly length: number;
  readonly pieces: readonly Piece[];
  /** What has been read of the file already, and where in it that begins. */
  readonly chunk: Chunk | null;
  readonly chunkOffset: number;
  /** For what is not in `chunk`; null when that is nothing. */
  readonly file: OpenFile | null;
}
