/**
 * Breaks: one brick of a distributed volume of three (SIGKILL), under 100 requests a second for all of its files.
 * Measured: what each file answers, by the brick it is on.
 * Must hold: files of the other bricks are served without a failure. The dead brick's files never answer 404, and from one
 * second on 503, first after waiting for the brick, from six seconds on at once; so do names that don't exist and listings, as
 * nobody can tell. When the brick is back, all is right, and what does not exist answers 404 again.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { get } from '../support/client.js';
import type { Cluster } from '../support/cluster/cluster.js';
import {
  anyFile,
  content,
  createFiles,
  section,
  startCluster,
  untilNothingIsLeft,
  volumeStatus,
} from '../support/faults.js';
import { Gfserve, until } from '../support/gfserve.js';
import { describe, Load, type Sample } from '../support/load.js';

const DEAD = 1;
const FILES = 120;
const THREADS = 4;
/** How long it may take to notice that a brick is gone. */
const NOTICED_MS = 1_000;
/** What has been gone for so long is not waited for. */
const GIVEN_UP_MS = 6_000;

let cluster: Cluster;
let server: Gfserve;

beforeAll(async () => {
  cluster = await startCluster('distributed', 3);
  await createFiles(cluster, 'site', FILES, { bricks: 3 });
  server = await Gfserve.start({
    config: section(cluster, 'site', `threads = ${THREADS}`, 'autoindex = html'),
  });
}, 240_000);

afterAll(async () => {
  await server?.stop();
  await cluster?.down();
}, 240_000);

const pathOf = (index: number): string => `/site/${index}.txt`;
const status = async (path: string): Promise<number> => (await get(server.port, path)).status;

/** The paths of the files that the brick has. */
async function filesOn(brick: number): Promise<Set<string>> {
  const folder = (await cluster.bricks('site'))[brick]?.path ?? '';
  const all = Array.from({ length: FILES }, (_, index) => index);
  return new Set(all.filter((index) => existsSync(join(folder, `${index}.txt`))).map(pathOf));
}

test('its files answer 503 and never 404, all others are served, and all is right after its return', async () => {
  const lost = await filesOn(DEAD);
  expect(lost.size).toBeGreaterThan(FILES / 10);
  expect(lost.size).toBeLessThan(FILES / 1.5);
  expect(await status('/site/nothing.txt')).toBe(404);
  expect(await status('/site/')).toBe(200);

  const load = new Load({ port: server.port, perSecond: 100, next: anyFile('site', FILES) });
  await sleep(1_000);
  await cluster.killBrick('site', DEAD);
  const killedMs = load.nowMs;
  await sleep(NOTICED_MS + 200);
  const others = ['/site/nothing.txt', '/site/nowhere/x.txt', '/site/'];
  const answers = await Promise.all(others.map((path) => get(server.port, path)));
  await sleep(4_000);
  const beforeReturnMs = load.nowMs;
  await cluster.startBricks('site');
  await until('it is healthy', 10_000, async () => {
    return (await volumeStatus(server, 'site')).state === 'healthy';
  });
  const samples = await load.stop();

  const isLost = ({ path }: Sample): boolean => lost.has(path);
  const late = ({ atMs }: Sample): boolean => atMs > killedMs + NOTICED_MS && atMs < beforeReturnMs;
  console.log(
    `the dead brick's ${lost.size} files: ${describe(samples.filter(isLost))}\n` +
      `from ${NOTICED_MS} ms on: ${describe(samples.filter((s) => isLost(s) && late(s)))}\n` +
      `all others: ${describe(samples.filter((s) => !isLost(s)))}`,
  );
  expect(samples.filter((s) => !isLost(s) && !s.right)).toEqual([]);
  expect(samples.filter((s) => isLost(s) && !s.right && s.status !== 503)).toEqual([]);
  const without = samples.filter((s) => isLost(s) && late(s));
  expect(without.length).toBeGreaterThan(20);
  expect(without.filter((s) => s.status !== 503)).toEqual([]);
  const given = without.filter((s) => s.atMs > killedMs + GIVEN_UP_MS);
  expect(given.length).toBeGreaterThan(20);
  expect(given.filter((s) => s.ms > 1_000)).toEqual([]);
  for (const answer of answers) {
    expect(answer.status).toBe(503);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  }
  expect(server.log).toMatch(/volume site: degraded: the files of site-client-1 are out of reach/);

  // hidesFiles() holds on for some seconds, as the brick's files are found again only after a moment.
  await until('404 is believed again', 5_000, async () => {
    return (await status('/site/nothing.txt')) === 404;
  });
  for (let index = 0; index < FILES; index++) {
    const { body } = await get(server.port, pathOf(index));
    expect(body.toString()).toBe(content('site', index));
  }
  expect(await status('/site/')).toBe(200);
  await untilNothingIsLeft(server, THREADS);
}, 240_000);
