/** A body whose length is not known when its head is sent. */
import type { StorageError } from '../storage/storage.js';

export type Piece =
  /** Not empty. Up to 64 KiB or so; a sender cuts longer ones. */
  | { readonly kind: 'piece'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' }
  | { readonly kind: 'failed'; readonly error: StorageError };

/** Hands out a body piece by piece, as fast as it is asked. Whoever has it pulls until 'end' or 'failed', or cancels. */
export interface BodySource {
  /** One call at a time. `done` is never called from inside this call, nor after `cancel`. */
  pull(done: (piece: Piece) => void): void;
  /** Gives back what it holds. Harmless after the end. */
  cancel(): void;
}
