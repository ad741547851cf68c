/** The body of an answer with several ranges: multipart/byteranges, RFC 9110 §14.6. Pure. */
import type { Piece } from './body.js';
import { type ByteRange, contentRange } from './range.js';

/**
 * A boundary has to be in none of the parts. They can't be searched before they are sent, so it is made of what nobody
 * knows while a file is written: 128 bits for each process, and a count.
 */
export function createBoundaries(secret: string): () => string {
  let count = 0;
  return () => `${secret}${(++count).toString(36)}`;
}

export interface Multipart {
  /** The value of Content-Type. */
  readonly contentType: string;
  /** In bytes, with everything between the parts. */
  readonly length: number;
  readonly pieces: readonly Piece[];
}

/** `contentType` and `size` are the file's. */
export function multipart(
  ranges: readonly ByteRange[],
  size: number,
  contentType: string,
  boundary: string,
): Multipart {
  const pieces: Piece[] = [];
  let length = 0;
  const text = (lines: string): void => {
    const bytes = Buffer.from(lines, 'latin1');
    pieces.push({ kind: 'bytes', bytes });
    length += bytes.length;
  };
  for (const range of ranges) {
    const lines = [
      `\r\n--${boundary}`,
      `Content-Type: ${contentType}`,
      `Content-Range: ${contentRange(range, size)}`,
    ];
    text(`${lines.join('\r\n')}\r\n\r\n`);
    const count = range.end - range.start + 1;
    pieces.push({ kind: 'file', offset: range.start, length: count });
    length += count;
  }
  text(`\r\n--${boundary}--\r\n`);
  return { contentType: `multipart/byteranges; boundary=${boundary}`, length, pieces };
}
