/** What the demo puts on its volumes: the files beside this one, and those that code makes. */
import { createCipheriv, createHash } from 'node:crypto';
import { cp, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { BrickInfo } from '../cluster/cluster.js';
import { PICTURES } from './pictures.js';

/** The compiler copies no HTML, so it is taken from the sources. */
const SITE = fileURLToPath(new URL('../../../../test/support/demo/site', import.meta.url));

const MIB = 1024 * 1024;
export const LARGE_BYTES = 300 * MIB;
export const MEDIUM_BYTES = 64 * MIB;
/** A name with characters that mean something in a URL; the page `files/` links to it. */
export const ODD_NAME = 'Käse & Brötchen, 50% #1.txt';

const ODD_TEXT = `This file's name is "${ODD_NAME}".\n`;

/** Fills the volume `unbit001`, which is mounted at `root`. */
export async function fillSite(
  root: string,
  bricks: readonly BrickInfo[],
  stop: AbortSignal,
): Promise<void> {
  await cp(join(SITE, 'unbit001'), root, { recursive: true });
  for (const name of ['bricks.png', 'waves.png', 'contours.png', 'silk.png'] as const) {
    await writeFile(join(root, 'pictures', name), PICTURES[name]());
    stop.throwIfAborted();
  }
  await writeFile(join(root, 'style.css.gz'), gzipSync(await readFile(join(root, 'style.css'))));
  const files = join(root, 'files');
  const volume = {
    name: 'unbit001',
    replica: 3,
    bricks: bricks.map(({ address, path }) => `${address}:${path}`),
  };
  const small = {
    'volume.json': `${JSON.stringify(volume, null, 2)}\n`,
    [ODD_NAME]: ODD_TEXT,
  };
  const sums: string[] = [];
  for (const [name, text] of Object.entries(small)) {
    await writeFile(join(files, name), text);
    sums.push(sumLine(createHash('sha256').update(text).digest('hex'), name));
  }
  const sum = await writeNoise(join(files, 'large.bin'), LARGE_BYTES, stop);
  await writeFile(join(files, 'SHA256SUMS'), [sumLine(sum, 'large.bin'), ...sums].join(''));
}

/** Fills the volume `downloads`, which is mounted at `root`. */
export async function fillDownloads(root: string, stop: AbortSignal): Promise<void> {
  await cp(join(SITE, 'downloads'), root, { recursive: true });
  const picture = PICTURES['dusk.png']();
  await writeFile(join(root, 'dusk.png'), picture);
  const sum = await writeNoise(join(root, 'medium.bin'), MEDIUM_BYTES, stop);
  const pictureSum = createHash('sha256').update(picture).digest('hex');
  await writeFile(
    join(root, 'SHA256SUMS'),
    `${sumLine(sum, 'medium.bin')}${sumLine(pictureSum, 'dusk.png')}`,
  );
}

/** As sha256sum writes and reads it. */
const sumLine = (sum: string, name: string): string => `${sum}  ${name}\n`;

/**
 * Writes bytes that look random and are always the same: the key stream of AES-CTR.
 * @param bytes a whole number of MiB
 * @returns their SHA-256 in hexadecimal
 */
async function writeNoise(path: string, bytes: number, stop: AbortSignal): Promise<string> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 'gfserve'), Buffer.alloc(16));
  const zeros = Buffer.alloc(MIB);
  const hash = createHash('sha256');
  const file = await open(path, 'w');
  try {
    for (let written = 0; written < bytes; written += MIB) {
      stop.throwIfAborted();
      const piece = cipher.update(zeros);
      hash.update(piece);
      await file.writeFile(piece);
    }
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}
