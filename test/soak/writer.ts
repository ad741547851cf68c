/** Changes files through a FUSE mount while they are served, one change at a time. */
import { open, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { contentOf, versionsIn } from './content.js';
import { type Kind, SoakFile } from './ledger.js';
import type { Random } from './random.js';
import type { Findings } from './report.js';
import type { Windows } from './windows.js';

const KIB = 1024;
/** How many of each kind, and of which sizes in bytes. Above 256 KiB gfserve reads them otherwise. */
const FILES: Readonly<Record<Kind, { readonly count: number; readonly sizes: readonly number[] }>> =
  {
    static: { count: 40, sizes: [0, 100, 4 * KIB, 40 * KIB, 300 * KIB, 8192 * KIB] },
    replaced: { count: 20, sizes: [100, 4 * KIB, 60 * KIB, 300 * KIB, 2048 * KIB] },
    // One write each: what more than one had written by and by would be a version that nobody noted.
    overwritten: { count: 12, sizes: [100, 4 * KIB, 60 * KIB] },
    rewritten: { count: 12, sizes: [100, 4 * KIB, 60 * KIB] },
    truncated: { count: 8, sizes: [4 * KIB, 60 * KIB] },
    removed: { count: 12, sizes: [100, 4 * KIB, 300 * KIB] },
    moved: { count: 8, sizes: [4 * KIB, 300 * KIB] },
  };

/** How long a change may have been under way. */
const SLOW_CHANGE_MS = 10_000;

const kinds = Object.keys(FILES) as Kind[];

/** null: there is none. */
export async function readIfThere(path: string): Promise<Buffer | null> {
  return await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
}

export class Writer {
  readonly files: readonly SoakFile[];
  #running: Promise<void> | null = null;
  #stopped = false;
  #temporary = 0;

  constructor(
    readonly volume: string,
    private readonly mountPoint: string,
    private readonly random: Random,
    private readonly findings: Findings,
    private readonly windows: Windows,
  ) {
    this.files = kinds.flatMap((kind) => {
      const { count, sizes } = FILES[kind];
      return Array.from({ length: count }, (_, at) => {
        const path = `${kind}-${at}.txt`;
        return new SoakFile(path, `${volume}/${path}`, kind, sizes[at % sizes.length] ?? 0);
      });
    });
  }

  /** The first version of each file. */
  async fill(): Promise<void> {
    for (const file of this.files) await this.#replace(file);
  }

  #settled(file: SoakFile): void {
    const now = performance.now();
    file.settled(this.windows.allows(this.volume, '503', now - SLOW_CHANGE_MS, now));
  }

  /** The bytes of a file as this client finds it now; null: there is none. */
  read(file: SoakFile): Promise<Buffer | null> {
    return readIfThere(join(this.mountPoint, file.path));
  }

  async isReadable(file: SoakFile): Promise<boolean> {
    return await this.read(file).then(
      () => true,
      () => false,
    );
  }

  /** What this client reads of it. */
  async describe(file: SoakFile): Promise<string> {
    try {
      const body = await this.read(file);
      if (body === null) return 'another client finds none';
      const versions = [...(versionsIn(file.name, body) ?? ['none of its'])].join(' and ');
      return `another client reads ${body.length} bytes of version ${versions}`;
    } catch (error) {
      return `another client reads nothing: ${(error as NodeJS.ErrnoException).code}`;
    }
  }

  start(): void {
    this.#stopped = false;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const changing = this.files.filter(({ kind }) => kind !== 'static');
    while (!this.#stopped) {
      // What fails half-way leaves open what the file is: the next success settles it.
      const file = this.random.pick(changing);
      await this.#change(file).then(
        () => this.findings.note(`${this.volume}: changes`),
        () => {
          file.settled(true);
          this.findings.note(`${this.volume}: changes that failed, bricks being gone`);
        },
      );
      await sleep(this.random.between(20, 150));
    }
  }

  #change(file: SoakFile): Promise<void> {
    switch (file.kind) {
      case 'static':
        return Promise.resolve();
      case 'replaced':
        return this.#replace(file);
      case 'overwritten':
        return this.#overwrite(file);
      case 'rewritten':
        return this.#rewrite(file);
      case 'truncated':
        return this.random.chance(0.5) ? this.#truncate(file) : this.#rewrite(file);
      case 'removed':
        return this.random.chance(0.5) ? this.#remove(file) : this.#replace(file);
      case 'moved':
        return this.#away(file);
      default: {
        const impossible: never = file.kind;
        throw new Error(`unknown kind ${String(impossible)}`);
      }
    }
  }

  /** Written beside it, and renamed over it. */
  async #replace(file: SoakFile): Promise<void> {
    const version = file.nextVersion();
    const temporary = join(this.mountPoint, `.new-${this.#temporary++}`);
    await writeFile(temporary, contentOf(file.name, version, file.size));
    file.maybe(version);
    await rename(temporary, join(this.mountPoint, file.path));
    this.#settled(file);
  }

  /** In place, and as long as before. */
  async #overwrite(file: SoakFile): Promise<void> {
    const version = file.nextVersion();
    const handle = await open(join(this.mountPoint, file.path), 'r+');
    try {
      file.maybe(version);
      await handle.write(contentOf(file.name, version, file.size), 0, file.size, 0);
      await handle.sync();
    } finally {
      await handle.close();
    }
    this.#settled(file);
  }

  /** In place, empty in between. */
  async #rewrite(file: SoakFile): Promise<void> {
    const version = file.nextVersion();
    file.maybe(version, 0);
    const handle = await open(join(this.mountPoint, file.path), 'w');
    try {
      file.maybe(version);
      await handle.write(contentOf(file.name, version, file.size), 0, file.size, 0);
      await handle.sync();
    } finally {
      await handle.close();
    }
    this.#settled(file);
  }

  async #truncate(file: SoakFile): Promise<void> {
    const content = file.current?.content;
    if (!content || content.size === 0) return await this.#rewrite(file);
    const size = this.random.between(0, content.size - 1);
    file.maybe(content.version, size);
    await truncate(join(this.mountPoint, file.path), size);
    this.#settled(file);
  }

  async #remove(file: SoakFile): Promise<void> {
    file.maybe(null);
    await rm(join(this.mountPoint, file.path), { force: true });
    this.#settled(file);
  }

  /** Its name is gone for a moment. */
  async #away(file: SoakFile): Promise<void> {
    const { current } = file;
    if (!current?.content) return await this.#replace(file);
    const { version, size } = current.content;
    const [here, there] = [
      join(this.mountPoint, file.path),
      join(this.mountPoint, `.away-${file.path}`),
    ];
    file.maybe(null);
    await rename(here, there);
    this.#settled(file);
    await sleep(this.random.between(0, 1500));
    file.maybe(version, size);
    await rename(there, here);
    this.#settled(file);
  }
}
