/** The other client of stress_test.cc: changes the tree that it reads, through a mount. See there and content.h. */
import { type FileHandle, mkdir, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const FOLDERS = 4;
/** Bytes of f0 to f9: on either side of each limit. */
const SIZES = [16, 4000, 65536, 65537, 262144, 262145, 700_000, 1_500_000, 100, 30_000];
/** Of these some are overwritten in place: so small that no reader can see half of it. */
const IN_PLACE = [1, 8];
const MAGIC = 0x31534647;

function content(id: number, generation: number, size: number): Buffer {
  const words = new Uint32Array(Math.ceil(size / 4));
  const mix = Math.imul(generation, 0x9e3779b1);
  for (let i = 4; i < words.length; i++) words[i] = Math.imul(i ^ mix, 0x85ebca77) + id;
  words.set([MAGIC, id, generation, size]);
  return Buffer.from(words.buffer, 0, size);
}

export class Churn {
  #generation = 0;
  #running: Promise<void> | null = null;
  #stop = false;
  operations = 0;
  /** The mtime of each generation, in nanoseconds. */
  readonly mtimes = new Map<number, bigint>();

  private constructor(private readonly dir: string) {}

  /** Makes the tree on a mount. */
  static async make(mount: string): Promise<Churn> {
    const churn = new Churn(join(mount, 'stress'));
    await mkdir(churn.dir);
    for (let folder = 0; folder < FOLDERS; folder++) {
      await mkdir(join(churn.dir, `d${folder}`));
      for (let file = 0; file < SIZES.length; file++) await churn.#replace(folder, file);
    }
    return churn;
  }

  /** Changes something every few milliseconds until `stop`. */
  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop) {
      const folder = Math.floor(Math.random() * FOLDERS);
      const file = Math.floor(Math.random() * SIZES.length);
      const rare = Math.random() < 0.3;
      if (rare && file % 5 === 0) await unlink(this.#path(folder, file)).catch(() => undefined);
      else if (rare && folder === 3) await this.#moveAwayAndBack();
      else if (rare && IN_PLACE.includes(file)) await this.#overwrite(folder, file);
      else await this.#replace(folder, file);
      this.operations++;
      await sleep(5);
    }
  }

  #path(folder: number, file: number): string {
    return join(this.dir, `d${folder}`, `f${file}`);
  }

  async #replace(folder: number, file: number): Promise<void> {
    const path = this.#path(folder, file);
    await this.#write(await open(`${path}.new`, 'w'), folder, file);
    await rename(`${path}.new`, path);
  }

  async #overwrite(folder: number, file: number): Promise<void> {
    await this.#write(await open(this.#path(folder, file), 'r+'), folder, file);
  }

  async #write(handle: FileHandle, folder: number, file: number): Promise<void> {
    const generation = ++this.#generation;
    const id = folder * SIZES.length + file;
    await handle.write(content(id, generation, SIZES[file] ?? 0));
    await handle.sync();
    this.mtimes.set(generation, (await handle.stat({ bigint: true })).mtimeNs);
    await handle.close();
  }

  async #moveAwayAndBack(): Promise<void> {
    const path = join(this.dir, 'd3');
    await rename(path, `${path}.away`);
    await rename(`${path}.away`, path);
  }
}
