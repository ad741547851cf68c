/** The files that are served: random bytes, so that nothing on the way can compress or guess them. */
import { createHash, randomFillSync } from 'node:crypto';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const SMALL_FILES = 10_000;
const FOLDERS = 100;
export const SMALL_SIZE = 4096;
const LARGE_SIZE = 256 * 1024 * 1024;
const BLOCK = 1024 * 1024;
/** Files under way at once; each waits for three bricks, several times over. */
const WRITERS = 32;

/** One file as it was written. */
export interface DataFile {
  /** URL path, and path inside the volume. */
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

export interface Dataset {
  readonly small: readonly DataFile[];
  readonly large: DataFile;
}

function smallPath(index: number): string {
  const folder = String(index % FOLDERS).padStart(2, '0');
  return `/small/${folder}/${String(index).padStart(5, '0')}.bin`;
}

async function writeSmall(root: string, index: number): Promise<DataFile> {
  const path = smallPath(index);
  const bytes = randomFillSync(Buffer.alloc(SMALL_SIZE));
  await writeFile(join(root, path), bytes);
  return { path, size: SMALL_SIZE, sha256: createHash('sha256').update(bytes).digest('hex') };
}

async function writeLarge(root: string): Promise<DataFile> {
  const path = '/large.bin';
  const hash = createHash('sha256');
  const block = Buffer.alloc(BLOCK);
  const file = await open(join(root, path), 'w');
  try {
    for (let written = 0; written < LARGE_SIZE; written += BLOCK) {
      hash.update(randomFillSync(block));
      await file.write(block);
    }
  } finally {
    await file.close();
  }
  return { path, size: LARGE_SIZE, sha256: hash.digest('hex') };
}

/**
 * Writes the files below `root`, a mounted volume.
 * @param progress gets the share that is done, from time to time
 */
export async function writeDataset(
  root: string,
  progress: (done: number) => void,
): Promise<Dataset> {
  for (let index = 0; index < FOLDERS; index++) {
    await mkdir(join(root, smallPath(index), '..'), { recursive: true });
  }
  const small: DataFile[] = [];
  let next = 0;
  const write = async (): Promise<void> => {
    for (let index = next++; index < SMALL_FILES; index = next++) {
      small[index] = await writeSmall(root, index);
      if (index % 1000 === 0) progress(index / SMALL_FILES);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
  const large = await writeLarge(root);
  progress(1);
  return { small, large };
}
