/**
 * Breaks: files of 12 MiB are overwritten in place, truncated and written anew, renamed over, and removed and made anew, all
 * the time, while they are downloaded by clients slow enough that changes come mid-way. Without the bricks' invalidations
 * and with them.
 * Measured: how many answers are whole, cut off, or refused; how many mix versions.
 * Must hold: each answer is wholly one version, or ends before its Content-Length. No request but those that meet a removed
 * file (404) or one that never holds still (503) is refused.
 *
 * docs/adr/0005-etag.md says what no check can see: content that a brick has stored before its time. It needs the last
 * read of a download within the microseconds between these two; nothing of it is allowed for here.
 */
import { open, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { get } from '../support/client.js';
import type { Cluster } from '../support/cluster/cluster.js';
import { section, startCluster, untilNothingIsLeft } from '../support/faults.js';
import { Gfserve, until } from '../support/gfserve.js';
import { readVersions, type Verdict, versionContent } from '../support/versions.js';

/** Sockets on loopback hold some 4 MiB: of a smaller file gfserve would be done before the first change. */
const SIZE = 12 << 20;
const FILES = 3;
const DOWNLOADS = 250;
const AT_A_TIME = 16;
/** After every 64 KiB: a download takes 0.5 s to 2 s, and each file changes about every second. */
const REST_MS = [2, 4, 8];
const THREADS = 4;
const INVALIDATIONS = {
  'features.cache-invalidation': 'on',
  'features.cache-invalidation-timeout': '600',
  'performance.cache-invalidation': 'on',
  'performance.md-cache-timeout': '600',
};

let cluster: Cluster;
let server: Gfserve;
let version = 0;

beforeAll(async () => {
  cluster = await startCluster('changing', 1);
  await cluster.createVolume('plain', { bricks: 1 });
  await cluster.createVolume('cached', { bricks: 1, options: INVALIDATIONS });
  const more = `threads = ${THREADS}`;
  server = await Gfserve.start({
    // What is read while it changes is what this is about: a file in memory does not change.
    config: `[cache]\nsize = 0\n${section(cluster, 'plain', more)}${section(cluster, 'cached', more)}`,
  });
}, 240_000);

afterAll(async () => {
  await server?.stop();
  await cluster?.down();
}, 240_000);

const nextVersion = (): Buffer => {
  version += 1;
  return versionContent(version, SIZE);
};

/**
 * Writes over what is there, by one call: the kernel and GlusterFS' client cut it into pieces, but nothing of this process
 * comes between them. A pause there would be a version of its own, half new, half old, and could be downloaded as such.
 */
async function overwrite(path: string): Promise<void> {
  const content = nextVersion();
  const file = await open(path, 'r+');
  const { bytesWritten } = await file.write(content, 0, SIZE, 0);
  await file.close();
  if (bytesWritten !== SIZE) throw new Error(`${path}: ${bytesWritten} bytes written`);
}

const CHANGES: readonly ((path: string) => Promise<void>)[] = [
  overwrite,
  async (path) => {
    const file = await open(path, 'r+');
    await file.truncate(Math.floor((Math.random() * SIZE) / 4096) * 4096);
    await sleep(Math.random() * 50);
    await file.close();
    await overwrite(path);
  },
  async (path) => {
    await writeFile(`${path}.new`, nextVersion());
    await rename(`${path}.new`, path);
  },
  async (path) => {
    await unlink(path);
    await sleep(Math.random() * 50);
    await writeFile(`${path}.new`, nextVersion());
    await rename(`${path}.new`, path);
  },
];

/** Changes a file, each way by turns, until `running` says no. */
async function keepChanging(path: string, running: () => boolean): Promise<number> {
  let changes = 0;
  for (; running(); changes++) {
    await CHANGES[changes % CHANGES.length]?.(path);
    await sleep(Math.random() * 1_000);
  }
  return changes;
}

async function downloads(volume: string): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  let left = DOWNLOADS;
  const client = async (): Promise<void> => {
    while (left-- > 0) {
      const path = `/${volume}/${left % FILES}.bin`;
      verdicts.push(await readVersions(server.port, path, REST_MS[left % REST_MS.length] ?? 0));
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, client));
  return verdicts;
}

test.each(['plain', 'cached'])(
  '%s: each of 250 downloads is one version, or ends early',
  async (volume) => {
    const mounted = await cluster.mount(volume);
    const paths = Array.from({ length: FILES }, (_, i) => join(mounted, `${i}.bin`));
    for (const path of paths) await writeFile(path, nextVersion());
    let running = true;
    const writers = paths.map((path) => keepChanging(path, () => running));
    const verdicts = await downloads(volume);
    running = false;
    const changes = (await Promise.all(writers)).reduce((a, b) => a + b);

    const found = verdicts.filter(({ status }) => status === 200);
    const whole = found.filter(({ complete }) => complete);
    const cut = found.filter(({ complete }) => !complete);
    const count = (of: number): number => verdicts.filter(({ status }) => status === of).length;
    const mixedCut = cut.filter(({ versions }) => versions.length > 1).length;
    console.log(
      `${volume}: ${changes} changes; ${whole.length} whole, ${cut.length} cut off (${mixedCut} of them with the first bytes ` +
        `of another version), ${count(404)} × 404, ${count(503)} × 503`,
    );
    expect(whole.filter(({ versions, strange }) => strange || versions.length !== 1)).toEqual([]);
    expect(cut.filter(({ bytes, announced }) => bytes >= announced)).toEqual([]);
    expect(found.length + count(404) + count(503)).toBe(DOWNLOADS);
    // It was a test at all: many met a change, and many did not.
    expect(changes).toBeGreaterThan(40);
    expect(whole.length).toBeGreaterThan(DOWNLOADS / 10);
    expect(cut.length).toBeGreaterThan(DOWNLOADS / 10);
    await untilNothingIsLeft(server, THREADS);
  },
);

test('a small file that never holds still: GFS_CHANGED, or one version', async () => {
  const path = join(await cluster.mount('plain'), 'restless.bin');
  const size = 256 << 10;
  await writeFile(path, versionContent(1, size));
  const file = await open(path, 'r+');
  let running = true;
  const writer = (async () => {
    // One byte again and again, the same: only the file's time changes, so that every answer must be version 1.
    for (; running; ) await file.write(versionContent(1, 4096), 0, 4096, 0);
  })();
  let changed = 0;
  await until('a request meets it', 20_000, async () => {
    const { status, body, headers } = await get(server.port, '/plain/restless.bin');
    if (status === 200) {
      expect(body.equals(versionContent(1, size))).toBe(true);
      return false;
    }
    expect(status).toBe(503);
    expect(headers['retry-after']).toBe('1');
    expect(body.toString()).toContain('The file changed while it was being sent');
    changed += 1;
    return changed > 0;
  });
  running = false;
  await writer;
  await file.close();
  await until('it is served when it rests', 5_000, async () => {
    return (await get(server.port, '/plain/restless.bin')).status === 200;
  });
});
