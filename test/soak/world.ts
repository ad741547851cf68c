/** What a soak runs against: a cluster of three nodes, two volumes, gfserve with two workers, load on both. */
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { get } from '../support/client.js';
import { Cluster } from '../support/cluster/cluster.js';
import { Gfserve, NEVER_UNASKED } from '../support/gfserve.js';
import { copiesOf } from './copies.js';
import type { SoakFile } from './ledger.js';
import { Load } from './load.js';
import { Random } from './random.js';
import { Findings, tell } from './report.js';
import { Windows } from './windows.js';
import { Workers } from './workers.js';
import { readIfThere, Writer } from './writer.js';

const PREFIX = 'gfserve-soak-';
/** Three copies of each file. */
export const COPIES = 'copies';
/** Each file on one of three bricks. */
export const SPREAD = 'spread';
export const VOLUMES = [COPIES, SPREAD] as const;

/**
 * Of less than the files have, so that it is full before the first minute is over: what it still had to take would look like a
 * leak.
 */
const CACHE = `${NEVER_UNASKED}size = 96M\n`;

/** Requests a second to each volume. */
const RATE = 40;

const firstLine = (bytes: Buffer): string => bytes.toString('latin1', 0, 63).replace(/\.*\n?$/, '');

type Undo = () => Promise<unknown>;

export class World {
  /** For faults alone: what else is drawn depends on the clock, and would make another order of them each time. */
  readonly random: Random;
  readonly findings = new Findings();
  readonly windows = new Windows();
  readonly writers: Writer[] = [];
  readonly loads: Load[] = [];
  readonly #undo: Undo[] = [];
  #down: Promise<void> | null = null;
  #lastRead: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly cluster: Cluster,
    private readonly seed: number,
  ) {
    this.random = new Random(seed);
  }

  /** What is there when it fails is taken away before it throws. */
  static async build(seed: number, stop: AbortSignal): Promise<World> {
    for (const dir of await Cluster.cleanStale(PREFIX)) tell(`cleaned what was left in ${dir}`);
    const dir = await realpath(await mkdtemp(join(tmpdir(), PREFIX)));
    const cluster = await Cluster.up({ dir, nodes: 3 }).catch(async (error: unknown) => {
      await rm(dir, { recursive: true, force: true });
      throw error;
    });
    const world = new World(cluster, seed);
    world.#undo.push(async () => {
      await cluster.down();
      await rm(dir, { recursive: true, force: true });
    });
    try {
      await world.#fill(stop);
      return world;
    } catch (error) {
      await world.takeDown();
      throw error;
    }
  }

  async #fill(stop: AbortSignal): Promise<void> {
    // For the writer's mount: gfserve sets its own.
    const options = { 'network.ping-timeout': '4' };
    // In seconds. What a client missed after the self-heal daemon was connected again waits for its next round.
    const healing = { ...options, 'cluster.heal-timeout': '5' };
    await this.cluster.createVolume(COPIES, { replica: 3, options: healing });
    // For the writer's mount too. On, remove-brick leaves files on bricks where no client finds them by name, one that has just
    // been mounted no more than others (GlusterFS 10.3).
    const searching = { ...options, 'cluster.lookup-optimize': 'off' };
    await this.cluster.createVolume(SPREAD, { bricks: 3, options: searching });
    for (const [index, volume] of VOLUMES.entries()) {
      stop.throwIfAborted();
      const mount = await this.cluster.mount(volume);
      const writer = new Writer(
        volume,
        mount,
        new Random(this.seed + 1 + index),
        this.findings,
        this.windows,
      );
      await writer.fill();
      this.writers.push(writer);
    }
    tell(
      `filled: ${this.writers.map(({ volume, files }) => `${volume} ${files.length} files`).join(', ')}`,
    );
  }

  /** Its log is told where it says more than that all is well. */
  async startGfserve(stop: AbortSignal): Promise<{ server: Gfserve; workers: Workers }> {
    stop.throwIfAborted();
    const servers = this.cluster.addresses.join(', ');
    const sections = VOLUMES.map(
      (name) =>
        `[volume ${name}]\nservers = ${servers}\n[mount ${name}]\npath = /${name}\nvolume = ${name}\n`,
    );
    // Has a line for each request that failed.
    const log = '[log]\naccess = off\nlevel = debug\n';
    const server = await Gfserve.spawn({ config: log + CACHE + sections.join(''), workers: 2 });
    this.#undo.push(() => server.stop());
    await server.ready();
    const workers = new Workers(server, this.findings);
    workers.start();
    this.#undo.push(() => workers.stop());
    for (const [index, writer] of this.writers.entries()) {
      const { volume, files } = writer;
      const { windows, findings } = this;
      const random = new Random(this.seed + 11 + index);
      const { port } = server;
      this.loads.push(
        new Load({
          port,
          volume,
          files,
          rate: RATE,
          random,
          windows,
          findings,
          readElsewhere: (file) => writer.read(file),
          readAnew: (file) => this.#readAnew(volume, file),
          isReadable: (file) => writer.isReadable(file),
          seenElsewhere: async (file) =>
            `${await writer.describe(file)}; ${await copiesOf(this.cluster, volume, file.path)}`,
        }),
      );
    }
    return { server, workers };
  }

  /** One after the other: they use one mount point. */
  #readAnew(volume: string, file: SoakFile): Promise<Buffer | null> {
    const as = `${volume}-anew`;
    const read = async (): Promise<Buffer | null> => {
      try {
        return await readIfThere(join(await this.cluster.mount(volume, as), file.path));
      } finally {
        await this.cluster.unmount(as);
      }
    };
    const result = this.#lastRead.then(read, read);
    this.#lastRead = result.catch(() => undefined);
    return result;
  }

  startLoad(): void {
    for (const load of this.loads) load.start();
    for (const writer of this.writers) writer.start();
  }

  async stopLoad(): Promise<void> {
    await Promise.all(this.loads.map((load) => load.stop()));
    await Promise.all(this.writers.map((writer) => writer.stop()));
  }

  /** At rest, all files: gfserve's answer is what a client that has just been mounted reads. */
  async compareAll(port: number): Promise<void> {
    for (const writer of this.writers) {
      await this.cluster.unmount(writer.volume);
      await this.cluster.mount(writer.volume);
      for (const file of writer.files) {
        if (!(await writer.isReadable(file))) {
          this.findings.note(`${writer.volume}: files that no client can read at the end`);
          continue;
        }
        const there = await writer.read(file);
        const { status, body } = await get(port, `/${writer.volume}/${file.path}`);
        const same = there === null ? status === 404 : status === 200 && body.equals(there);
        if (same) continue;
        const what = there === null ? 'nothing' : `${there.length} bytes, ${firstLine(there)}`;
        this.findings.violation(
          `at rest /${writer.volume}/${file.path}: ${status}, ${firstLine(body)}; a new client reads ${what}`,
        );
      }
    }
  }

  /** Takes everything away; may be called again. */
  takeDown(): Promise<void> {
    this.#down ??= (async () => {
      for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) {
        await undo().catch((error: unknown) => tell(`taking down: ${(error as Error).message}`));
      }
    })();
    return this.#down;
  }
}
