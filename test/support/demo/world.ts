/** Everything that the demo starts, and how it goes away again. */
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, rmdir, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mountsUnder } from '../cluster/cleanup.js';
import { Cluster } from '../cluster/cluster.js';
import { statOf } from '../cluster/processes.js';
import { serverIni } from './config.js';
import { fillDownloads, fillSite, LARGE_BYTES, MEDIUM_BYTES } from './content.js';
import { describeExit, Gfserve, killOwn, killStrays } from './gfserve.js';
import type { Ports } from './ports.js';
import { dim, say, size, step } from './progress.js';

const PREFIX = 'gfserve-demo-';
/** Three copies of the large file, one of the medium one, and room for the rest. */
const NEEDED_BYTES = 3 * LARGE_BYTES + MEDIUM_BYTES + 200 * 1024 * 1024;

const detail = (line: string): void => say(dim(`         ${line}`));

/** Takes away what demos left that were killed. */
export async function cleanLeftovers(): Promise<void> {
  const killed = await killStrays();
  if (killed > 0) step(`ended the gfserve of a demo that was killed (${killed} processes)`);
  for (const dir of await Cluster.cleanStale(PREFIX)) {
    step(`cleaned what a killed demo left in ${dir}`);
  }
  for (const name of await readdir(tmpdir())) {
    const [, pid] = /^gfserve-demo-(\d+)-/.exec(name) ?? [];
    // Killed before there was a cluster: empty. Where something is in it, it is not for us to remove.
    if (pid !== undefined && (await statOf(Number(pid))) === null) {
      await rmdir(join(tmpdir(), name)).catch(() => undefined);
    }
  }
}

/** A cluster with two filled volumes, and gfserve before it. */
export class World {
  readonly #ports: Ports;
  readonly #quiet: boolean;
  /** Aborted: start nothing more. */
  readonly #stop: AbortSignal;
  #dir = '';
  #cluster: Cluster | null = null;
  #gfserve: Gfserve | null = null;
  /** Where the volumes are mounted. */
  #mounts = { unbit001: '', downloads: '' };

  /** @param quiet leaves out what gfserve says when all goes well */
  constructor(ports: Ports, quiet: boolean, stop: AbortSignal) {
    this.#ports = ports;
    this.#quiet = quiet;
    this.#stop = stop;
  }

  get dir(): string {
    return this.#dir;
  }

  get mounts(): { readonly unbit001: string; readonly downloads: string } {
    return this.#mounts;
  }

  /** Of gfserve, on 127.0.0.1. */
  get ports(): Ports {
    return this.#ports;
  }

  /** Started; null before. */
  get gfserve(): Gfserve | null {
    return this.#gfserve;
  }

  /** Starts and fills everything. What is there when it fails, `takeDown` takes away. */
  async build(): Promise<void> {
    await enoughSpace();
    this.#dir = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
    step(`a cluster of three nodes, in ${this.#dir}`);
    const cluster = await Cluster.up({ dir: this.#dir, nodes: 3, log: detail });
    this.#cluster = cluster;
    this.#dir = cluster.dir;
    this.#stop.throwIfAborted();
    await this.#createVolumes(cluster);
    await this.#startGfserve(cluster);
  }

  async #createVolumes(cluster: Cluster): Promise<void> {
    const options = { 'network.ping-timeout': '3' };
    step('volume unbit001: three copies of each file');
    await cluster.createVolume('unbit001', { replica: 3, options });
    this.#stop.throwIfAborted();
    step('volume downloads: each file on one of three bricks');
    await cluster.createVolume('downloads', { bricks: 3, options });
    this.#stop.throwIfAborted();
    this.#mounts.unbit001 = await cluster.mount('unbit001');
    this.#mounts.downloads = await cluster.mount('downloads');
    step(`a site, pictures and ${size(LARGE_BYTES)} of noise for unbit001`);
    await fillSite(this.#mounts.unbit001, await cluster.bricks('unbit001'), this.#stop);
    step(`a page, a picture and ${size(MEDIUM_BYTES)} of noise for downloads`);
    await fillDownloads(this.#mounts.downloads, this.#stop);
  }

  async #startGfserve(cluster: Cluster): Promise<void> {
    const config = join(this.#dir, 'server.ini');
    const accessLog = join(this.#dir, 'access.log');
    await writeFile(
      config,
      serverIni({ ports: this.#ports, addresses: cluster.addresses, accessLog }),
    );
    step(`gfserve --config ${config}`);
    this.#stop.throwIfAborted();
    this.#gfserve = await Gfserve.start(config, (line) => this.#showLog(line));
    await this.#gfserve.ready(this.#ports.http, ['/', '/foo/'], this.#stop);
  }

  /** gfserve's own log. Its time is of no use here, and a check is only interested in what goes wrong. */
  #showLog(line: string): void {
    const text = line.replace(/^\d\S+Z /, '');
    if (!text.startsWith('info ')) detail(text);
    else if (!this.#quiet) detail(text.slice('info '.length).trimStart());
  }

  /**
   * Takes everything away, gfserve first.
   * @throws Error when gfserve did not end in order or something is left
   */
  async takeDown(): Promise<void> {
    const before = this.#gfserve?.ended ?? null;
    const exit = await this.#gfserve?.stop();
    const killed = await killOwn();
    if (exit) step(`gfserve has stopped: ${describeExit(exit)}`);
    await this.#cluster?.down();
    await this.#removeDir();
    if (this.#cluster) step('the cluster is gone');
    const problems: string[] = [];
    if (exit && exit.code !== 0 && before === null) problems.push(`gfserve: ${describeExit(exit)}`);
    if (killed > 0) problems.push(`${killed} processes of gfserve had to be killed`);
    if (this.#dir !== '' && existsSync(this.#dir)) problems.push(`${this.#dir} is still there`);
    if (problems.length > 0) throw new Error(problems.join('; '));
  }

  /** What the cluster left of its folder: nothing, unless it failed before it had noted that it is there. */
  async #removeDir(): Promise<void> {
    if (this.#dir === '' || (await mountsUnder(this.#dir)).length > 0) return;
    await rm(this.#dir, { recursive: true, force: true });
  }
}

async function enoughSpace(): Promise<void> {
  const { bavail, bsize } = await statfs(tmpdir());
  if (bavail * bsize >= NEEDED_BYTES) return;
  throw new Error(
    `${tmpdir()} has ${size(bavail * bsize)} left and the demo needs ${size(NEEDED_BYTES)}; ` +
      'set TMPDIR to a folder with more',
  );
}
