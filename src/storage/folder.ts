/** The entries of a folder as the addon packs them into a block: see ListJob in addon/jobs.h. Pure. */
import { FileType } from './native.js';
import type { FolderEntry } from './storage.js';

const TYPES: Readonly<Record<number, FolderEntry['type']>> = {
  [FileType.regular]: 'file',
  [FileType.directory]: 'directory',
  [FileType.link]: 'link',
};

/** Before each name: double size, double mtime, uint8 type, uint8 length of the name. */
const HEADER = 18;

/** Copies the entries out of `bytes`, some 10,000 at most, which takes a few milliseconds. */
export function parseEntries(bytes: Uint8Array): FolderEntry[] {
  const block = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: FolderEntry[] = [];
  for (let at = 0; at < block.length; ) {
    const nameAt = at + HEADER;
    const end = nameAt + block.readUInt8(at + 17);
    entries.push({
      name: block.toString('latin1', nameAt, end),
      type: TYPES[block.readUInt8(at + 16)] ?? 'other',
      size: block.readDoubleLE(at),
      mtimeSeconds: block.readDoubleLE(at + 8),
    });
    at = end;
  }
  return entries;
}
