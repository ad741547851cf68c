/**
 * 20,000 requests, most of them malformed, over raw sockets. GFSERVE_FUZZ_SEED repeats a run, GFSERVE_FUZZ_REQUESTS makes it
 * longer. A failure names the seed and the connection, and what it sent.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { WorkerStatus } from '../../src/ipc.js';
import { get } from '../support/client.js';
import { Cluster } from '../support/cluster/cluster.js';
import { runConnection } from '../support/fuzz_client.js';
import { judge, type Known } from '../support/fuzz_judge.js';
import {
  type Expected,
  type FuzzConnection,
  fuzzConnection,
  GOOD,
  render,
} from '../support/fuzz_requests.js';
import { Gfserve, processFigures, until } from '../support/gfserve.js';
import { inParallel } from '../support/raw.js';
import { parseAnswers } from '../support/raw_answers.js';

const SEED = Number(process.env.GFSERVE_FUZZ_SEED ?? randomBytes(4).readUInt32LE());
const REQUESTS = Number(process.env.GFSERVE_FUZZ_REQUESTS ?? 20_000);
const AT_A_TIME = 48;
/** Of the connections that get no answer, every so manieth is watched until the server closes it. */
const WATCHED = 12;
/** Documented are 10 s, which uWebSockets.js counts in steps of 4 s. */
const CLOSED_WITHIN_MS = 45_000;

let cluster: Cluster;
let server: Gfserve;
let dir: string;
let known: Known;

/** No two share a prefix, and none begins as an answer does. */
const APP = Buffer.from('console.log("app");\n'.repeat(200));
const FILES: Readonly<Record<string, Buffer>> = {
  'a.txt': Buffer.from('content of a\n'),
  'b.txt': Buffer.from('B has another content\n'),
  'zero.txt': Buffer.alloc(0),
  'mid.bin': randomBytes(40_000),
  'big.bin': randomBytes(600_000),
  'ü.txt': Buffer.from('U umlaut\n'),
  '404.html': Buffer.from('<h1>not here</h1>\n'),
  'dir/index.html': Buffer.from('<title>index</title>\n'),
  'app.js': APP,
  'app.js.br': brotliCompressSync(APP),
  'app.js.gz': gzipSync(APP),
};

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gfserve-fuzz-'));
  cluster = await Cluster.up({ dir: join(dir, 'cluster'), nodes: 1 });
  await cluster.createVolume('site', { bricks: 1 });
  const volume = await cluster.mount('site');
  for (const folder of ['dir', 'empty', 'many']) await mkdir(join(volume, folder));
  for (const [name, content] of Object.entries(FILES)) await writeFile(join(volume, name), content);
  for (let i = 0; i < 300; i++) await writeFile(join(volume, 'many', `file ${i}`), '');
  const mount = (path: string, lines: string): string =>
    `[mount ${path.slice(1) || 'main'}]\npath = ${path}\nvolume = site\n${lines}\n`;
  server = await Gfserve.start({
    workers: 2,
    server: 'trusted-proxies = 127.0.0.1',
    config: `
[log]
access = ${join(dir, 'access.log')}
format = json
[volume site]
servers = ${cluster.addresses.join(', ')}
${mount('/', '')}
${mount('/pre', 'precompressed = br, gzip')}
${mount('/spa', 'fallback = /dir/index.html\nroot = /')}
${mount('/list', 'autoindex = html')}
${mount('/json', 'autoindex = json\nhidden = allow')}
${mount(
  '/r',
  `redirect[] = '^/r/gone/(.*)$ https://elsewhere.example/$1?$args 301'
rewrite[] = '^/r/old/(.*)$ /$1.txt'
rewrite[] = '^/r/loop/(.*)$ /r/loop/$1x'
header[] = "X-Content-Type-Options: nosniff"
cache-control[] = "*.txt public, max-age=60"
error-page[] = "404 /404.html"`,
)}`,
  });
  const etags = new Map<string, string>();
  for (const name of Object.keys(FILES)) {
    const { headers } = await get(server.port, encodeURI(`/${name}`), { method: 'HEAD' });
    etags.set(String(headers.etag), name);
  }
  known = { files: new Map(Object.entries(FILES)), etags };
}, 240_000);

afterAll(async () => {
  await server?.stop();
  await cluster?.down();
  await rm(dir, { recursive: true, force: true });
}, 240_000);

/** What was sent as it should be, up to the first that was not. */
function expectedOf({ requests }: FuzzConnection): Expected[] {
  const all: Expected[] = [];
  for (const { expected } of requests) {
    if (!expected) break;
    all.push(expected);
  }
  return all;
}

const native = (worker: WorkerStatus): Record<string, number> => worker.volumes[0]?.native ?? {};

/** When nothing is under way: each worker's process, and what it holds. */
async function atRest(): Promise<{ pid: number; descriptors: number }[]> {
  let workers: WorkerStatus[] = [];
  await until('nothing is under way', 60_000, async () => {
    workers = await server.workers();
    return workers.every((worker) => {
      const { openFiles, busy } = native(worker);
      const { blocksInUse, jobs } = worker.memory as Readonly<Record<string, number>>;
      // The watch over the volume has a job of its own at times.
      const idle = openFiles === 0 && busy === 0 && blocksInUse === 0 && jobs === 0;
      return idle && worker.connections === 0 && worker.requests.active === 0;
    });
  });
  return workers
    .map(({ pid }) => ({ pid, descriptors: processFigures(pid).descriptors }))
    .sort((one, other) => one.pid - other.pid);
}

/** Each good request once on a connection of its own; more than once, so that each worker has had some. */
async function goodRequests(): Promise<void> {
  const all = [...GOOD, ...GOOD, ...GOOD];
  await inParallel(all, 8, async (good) => {
    const requests = [{ bytes: render(good), expected: good }];
    const connection = { waits: true, requests, segments: [], abort: null };
    const { received, end } = await runConnection(server.port, connection, true);
    const wrong = judge(parseAnswers(received, [good.method], end === 'closed'), [good], known);
    const { answers } = parseAnswers(received, [good.method], end === 'closed');
    expect({ path: good.path, wrong, answers: answers.length }).toEqual({
      path: good.path,
      wrong: null,
      answers: 1,
    });
  });
}

class Run {
  readonly failures: string[] = [];
  readonly ends: Record<string, number> = {};
  readonly statuses: Record<string, number> = {};
  readonly watched: Promise<void>[] = [];
  answeredInFull = 0;

  async connection(number: number, connection: FuzzConnection): Promise<void> {
    const { requests, waits, segments, abort } = connection;
    const expected = expectedOf(connection);
    // A request line in pieces may be taken for one of another version.
    const undisturbed = waits && segments.length === 0 && abort === null;
    const mustAnswer = undisturbed && expected.length === requests.length;
    const { received, end, linger, close } = await runConnection(
      server.port,
      connection,
      mustAnswer,
    );
    const methods =
      expected.length === requests.length ? expected.map(({ method }) => method) : null;
    const parsed = parseAnswers(received, methods, end === 'closed');
    // What has not come as a whole can't be told from what should not be there.
    const judged =
      end === 'quiet' || end === 'aborted' ? { ...parsed, rest: Buffer.alloc(0) } : parsed;
    const wrong = judge(judged, expected, known);
    this.ends[end] = (this.ends[end] ?? 0) + 1;
    for (const { status } of parsed.answers)
      this.statuses[status] = (this.statuses[status] ?? 0) + 1;
    if (wrong !== null) this.fail(number, wrong, connection);
    if (mustAnswer) {
      // Only 405 ends a connection of good requests.
      const until = expected.findIndex(({ status }) => status === 405);
      const count = until === -1 ? requests.length : until + 1;
      if (parsed.answers.length === count) this.answeredInFull++;
      else this.fail(number, `${parsed.answers.length} of ${count} answers`, connection);
    }
    if (end !== 'quiet') return;
    if ((this.ends[end] ?? 0) % WATCHED !== 0) close();
    else this.watched.push(this.#watch(number, connection, linger));
  }

  async #watch(
    number: number,
    connection: FuzzConnection,
    linger: (timeoutMs: number) => Promise<boolean>,
  ): Promise<void> {
    if (!(await linger(CLOSED_WITHIN_MS))) this.fail(number, 'was not closed', connection);
  }

  fail(number: number, what: string, { requests, waits, segments }: FuzzConnection): void {
    const sent = requests.map(({ bytes }) => JSON.stringify(bytes.toString('latin1')));
    this.failures.push(
      `seed ${SEED}, connection ${number}: ${what}; sent${waits ? ', one by one,' : ''} in [${segments}]: ${sent.join('\n  + ')}`,
    );
  }
}

test('malformed and random requests', async () => {
  console.log(`GFSERVE_FUZZ_SEED=${SEED}`);
  await goodRequests();
  const before = await atRest();
  const connections: [number, FuzzConnection][] = [];
  for (let count = 0; count < REQUESTS; ) {
    const connection = fuzzConnection(SEED, connections.length);
    connections.push([connections.length, connection]);
    count += connection.requests.length;
  }
  const run = new Run();
  const start = performance.now();
  await inParallel(connections, AT_A_TIME, ([number, connection]) =>
    run.connection(number, connection),
  );
  const seconds = (performance.now() - start) / 1000;
  await Promise.all(run.watched);
  console.log(
    `${connections.length} connections in ${seconds.toFixed(1)} s`,
    JSON.stringify({
      ...run.ends,
      watched: run.watched.length,
      inFull: run.answeredInFull,
      ...run.statuses,
    }),
  );
  expect(run.failures.slice(0, 5)).toEqual([]);
  // That it was no run of nothing but errors.
  expect(run.answeredInFull).toBeGreaterThan(connections.length / 20);
  expect(run.watched.length).toBeGreaterThan(0);

  await goodRequests();
  const after = await atRest();
  expect(after.map(({ pid }) => pid)).toEqual(before.map(({ pid }) => pid));
  for (const [index, { descriptors }] of after.entries()) {
    expect(descriptors).toBeLessThanOrEqual(before[index]?.descriptors ?? 0);
  }
  expect(server.log).not.toMatch(/\bbug\b|the next one starts/);
}, 300_000);

test('each line of the access log is JSON', async () => {
  await until('the log is written', 10_000, async () => {
    return (await readFile(join(dir, 'access.log'))).length > 0;
  });
  const lines = (await readFile(join(dir, 'access.log'), 'utf8')).split('\n').slice(0, -1);
  expect(lines.length).toBeGreaterThan(GOOD.length);
  for (const line of lines) expect(JSON.parse(line)).toHaveProperty('status');
});
