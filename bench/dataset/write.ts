/** Writing the files: random bytes, so that nothing on the way can compress or guess them. */
import { createHash, randomFillSync } from 'node:crypto';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type DataFile, type Dataset, PART_NAMES, PARTS, type Part, pathOf } from './parts.js';
import { WINDOW, Windows } from './windows.js';

/**
 * Files under way at once; each waits for three bricks, several times over. Node.js lets four of them be in
 * system calls. With 16, or without the bricks' change logs, it was not faster: creating a file in three copies
 * is the processors' work.
 */
const WRITERS = 32;

async function writeFile(
  roots: readonly string[],
  part: Part,
  index: number,
  block: Buffer,
): Promise<DataFile> {
  const path = pathOf(part, index);
  const { size } = PARTS[part];
  const hash = createHash('sha256');
  const windows = PARTS[part].windows ? new Windows() : null;
  const files: FileHandle[] = [];
  try {
    for (const root of roots) files.push(await open(join(root, path), 'w'));
    for (let written = 0; written < size; written += block.length) {
      hash.update(randomFillSync(block));
      windows?.take(block);
      await Promise.all(files.map((file) => file.writeFile(block)));
    }
  } finally {
    for (const file of files) await file.close();
  }
  return { path, size, sha256: hash.digest('hex'), windows: windows?.parts ?? [] };
}

async function writePart(
  roots: readonly string[],
  part: Part,
  count: number,
  progress: (done: number) => void,
): Promise<readonly DataFile[]> {
  const { folders, size } = PARTS[part];
  for (let index = 0; index < Math.min(folders, count); index++) {
    for (const root of roots) {
      await mkdir(join(root, dirname(pathOf(part, index))), { recursive: true });
    }
  }
  const files: DataFile[] = [];
  let next = 0;
  const write = async (): Promise<void> => {
    // Sizes are whole blocks: a power of two, or many of the windows' blocks.
    const block = Buffer.alloc(Math.min(size, WINDOW));
    for (let index = next++; index < count; index = next++) {
      files[index] = await writeFile(roots, part, index, block);
      if (index % 100 === 0) progress(index / count);
    }
  };
  await Promise.all(Array.from({ length: Math.min(WRITERS, count) }, write));
  progress(1);
  return files;
}

export interface WriteOptions {
  /** Each gets all files: the mounted volume, and a local folder where one is needed. */
  readonly roots: readonly string[];
  readonly parts: readonly Part[];
  /** Parts with more files have only so many. */
  readonly mostFiles: number;
  /** Gets the share of a part that is done, again and again. */
  readonly progress: (part: Part, done: number) => void;
}

/** Writes the parts that are asked for. */
export async function writeDataset(options: WriteOptions): Promise<Dataset> {
  const { roots, parts, mostFiles, progress } = options;
  const dataset = Object.fromEntries(
    PART_NAMES.map((part): [Part, readonly DataFile[]] => [part, []]),
  ) as Record<Part, readonly DataFile[]>;
  for (const part of parts) {
    const count = Math.min(PARTS[part].count, mostFiles);
    dataset[part] = await writePart(roots, part, count, (done) => progress(part, done));
  }
  return dataset;
}
