/**
 * Breaks: the only brick of volume b is frozen (SIGSTOP) while volume a, on the same servers, is asked 200 times a second.
 * Measured: a's answers before and during; b's statuses and times; how soon b is back after SIGCONT.
 * Must hold: every answer of a is right, none waits for b. b answers 504 within request-timeout + 0.5 s, then 503 within
 * 50 ms, each with the mount's error page, which can't be read any more; is right again within 5 s; nothing is left behind.
 */
import { writeFile } from 'node:fs/promises';
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
  untilServed,
  volumeStatus,
} from '../support/faults.js';
import { Gfserve, until } from '../support/gfserve.js';
import { describe, Load, quantile } from '../support/load.js';

/** How long b hangs. 15 s have everything in them: 504s, 503s, and the brick given up; longer ones on demand. */
const HUNG_MS = Number(process.env.GFSERVE_HUNG_SECONDS ?? 15) * 1_000;
const BEFORE_MS = 5_000;
/** Below ping-timeout, so that deadlines pass before libgfapi gives the brick up (4 s to 9 s after it froze). */
const REQUEST_TIMEOUT_MS = 3_000;
const THREADS = 4;
const FILES = 200;
const SORRY = '<h1>We are sorry.</h1>\n';

let cluster: Cluster;
let server: Gfserve;

beforeAll(async () => {
  cluster = await startCluster('hung-brick', 1);
  await createFiles(cluster, 'a', FILES, { bricks: 1 });
  const b = await createFiles(cluster, 'b', FILES, { bricks: 1 });
  await writeFile(join(b, 'sorry.html'), SORRY);
  const threads = `threads = ${THREADS}`;
  server = await Gfserve.start({
    config: `
[limits]
request-timeout = ${REQUEST_TIMEOUT_MS}ms
${section(cluster, 'a', threads)}
${section(cluster, 'b', threads, 'error-page[] = "503 504 /sorry.html"')}`,
  });
}, 240_000);

afterAll(async () => {
  await server?.stop();
  await cluster?.down();
}, 240_000);

test('a is served right, b answers 504 in time, then 503 at once, with its page, and comes back', async () => {
  const load = (volume: string, perSecond: number): Load =>
    new Load({ port: server.port, perSecond, next: anyFile(volume, FILES) });
  const warmUp = [load('a', 200), load('b', 10)];
  await sleep(BEFORE_MS);
  const [before = []] = await Promise.all(warmUp.map((one) => one.stop()));

  await cluster.stopBrick('b', 0);
  const a = load('a', 200);
  const b = load('b', 10);
  const waiting = get(server.port, '/b/0.txt');
  await sleep(HUNG_MS / 2);
  const page = await get(server.port, '/b/0.txt');
  await sleep(HUNG_MS / 2);
  const [during, hung] = await Promise.all([a.stop(), b.stop()]);
  await cluster.contBrick('b', 0);
  const backMs = await untilServed(server, '/b/7.txt', content('b', 7), 5_000);

  const firstTimeout = Math.min(...hung.flatMap((s) => (s.status === 504 ? s.atMs + s.ms : [])));
  const later = hung.filter(({ atMs }) => atMs > firstTimeout + 100).map(({ ms }) => ms);
  console.log(
    `a before: ${describe(before)}\na during: ${describe(during)}\nb: ${describe(hung)}\n` +
      `b down: median ${Math.round(quantile(later, 0.5) * 10) / 10} ms; back after ${Math.round(backMs)} ms`,
  );
  for (const samples of [before, during]) {
    expect(samples.filter(({ right }) => !right)).toEqual([]);
    expect(Math.max(...samples.map(({ ms }) => ms))).toBeLessThan(REQUEST_TIMEOUT_MS / 2);
  }
  expect(during.length).toBeGreaterThan((HUNG_MS / 1_000) * 150);
  expect(hung.filter(({ status }) => status === 504).length).toBeGreaterThan(10);
  expect(hung.filter(({ status }) => status !== 504 && status !== 503)).toEqual([]);
  expect(Math.max(...hung.map(({ ms }) => ms))).toBeLessThan(REQUEST_TIMEOUT_MS + 500);
  expect(later.length).toBeGreaterThan(20);
  expect(quantile(later, 0.5)).toBeLessThan(50);
  expect(Math.max(...later)).toBeLessThan(REQUEST_TIMEOUT_MS / 2);
  const late = await waiting;
  expect([late.status, late.body.toString()]).toEqual([504, SORRY]);
  expect([page.status, page.body.toString()]).toEqual([503, SORRY]);
  for (const { headers } of [late, page]) expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  expect(server.log).toMatch(/volume b: down: /);
  expect(server.log).not.toMatch(/volume a: (down|degraded)/);
  await until('b is healthy', 5_000, async () => {
    return (await volumeStatus(server, 'b')).state === 'healthy';
  });
  await untilNothingIsLeft(server, THREADS);
}, 240_000);
