/** The access log under full load: a line for each request while it is rotated, and none that fails on a full disk. */
import { existsSync, renameSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { askExactly } from '../support/exact_load.js';
import { Gfserve, until } from '../support/gfserve.js';
import { readLines } from '../support/log_lines.js';
import { mountTmpfs } from '../support/tmpfs.js';
import type { Options } from './options.js';
import { Plain } from './plain.js';
import { type Findings, tell } from './report.js';

const BODY = 'content';
const SHAPE =
  /^127\.0\.0\.1 - - \[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET \/f\.txt HTTP\/1\.1" 200 7 "-" "-" "x" \d+\.\d{6} (hit|miss|revalidated) plain$/;
const CONNECTIONS = 64;
const ROTATIONS = 50;
const MIB = 1024 * 1024;
const FULL_REQUESTS = 200_000;

/** A counter of /metrics, all its series together. */
async function counter(server: Gfserve, name: string): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${server.adminPort}/metrics`)).text();
  return [...page.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))].reduce(
    (sum, [, value]) => sum + Number(value),
    0,
  );
}

const start = (plain: Plain, file: string): Promise<Gfserve> =>
  Gfserve.start({
    config: `[log]\naccess = ${file}\n${plain.config('size = 64M')}`,
    workers: 2,
  });

/** `count` requests, and ROTATIONS rotations spread over them. */
async function rotated(plain: Plain, dir: string, count: number, stop: AbortSignal): Promise<void> {
  const { findings } = plain;
  const file = join(dir, 'access.log');
  const server = await start(plain, file);
  const begun = performance.now();
  let answered = 0;
  try {
    for (let part = 1; part <= ROTATIONS + 1; part++) {
      stop.throwIfAborted();
      const share =
        Math.floor((count * part) / (ROTATIONS + 1)) -
        Math.floor((count * (part - 1)) / (ROTATIONS + 1));
      const load = askExactly({
        port: server.port,
        path: '/f.txt',
        count: share,
        connections: CONNECTIONS,
        expected: BODY,
        stop,
      });
      // Amid the part: lines are on their way, buffered and being written.
      if (part <= ROTATIONS) {
        await until('a part of the share', 60_000, () => existsSync(file));
        renameSync(file, `${file}.${part}`);
        server.signal('SIGUSR1');
      }
      const result = await load;
      answered += result.answered;
      for (const problem of result.problems) findings.violation(`a request failed: ${problem}`);
      if (part % 10 === 0) tell(`${answered} requests, ${part} rotations`);
    }
    const seconds = (performance.now() - begun) / 1000;
    tell(`${answered} in ${seconds.toFixed(0)} s: ${Math.round(answered / seconds)} a second`);
    const counted = await counter(server, 'gfserve_http_requests_total');
    const lost = await counter(server, 'gfserve_access_log_lost_lines_total');
    if (counted !== count) findings.violation(`gfserve counted ${counted} requests of ${count}`);
    if (lost !== 0) findings.violation(`${lost} lines were lost`);
  } finally {
    await server.stop();
  }
  const files = [file, ...Array.from({ length: ROTATIONS }, (_, i) => `${file}.${i + 1}`)];
  const lines = await readLines(files, SHAPE);
  tell(`${lines.right} right lines and ${lines.wrong} others in ${files.length} files`);
  if (answered !== count) findings.violation(`${answered} answers to ${count} requests`);
  if (lines.right !== answered) findings.violation(`${lines.right} lines of ${answered} requests`);
  for (const line of lines.samples) findings.violation(`a line: ${line}`);
}

/** The disk fills up, and has room again later. */
async function full(plain: Plain, dir: string): Promise<void> {
  const { findings } = plain;
  const disk = join(dir, 'disk');
  const unmount = await mountTmpfs(disk, 4 * MIB);
  try {
    const file = join(disk, 'access.log');
    const filler = join(disk, 'filler');
    await writeFile(filler, Buffer.alloc(2 * MIB));
    const server = await start(plain, file);
    const ask = (count: number) =>
      askExactly({
        port: server.port,
        path: '/f.txt',
        count,
        connections: CONNECTIONS,
        expected: BODY,
      });
    let answered = 0;
    let lost = 0;
    try {
      const during = await ask(FULL_REQUESTS);
      await rm(filler);
      await until('lines are lost', 20_000, async () => {
        lost = await counter(server, 'gfserve_access_log_lost_lines_total');
        return lost > 0;
      });
      const after = await ask(1_000);
      answered = during.answered + after.answered;
      for (const problem of [...during.problems, ...after.problems]) {
        findings.violation(`a request failed: ${problem}`);
      }
      await until('all is written', 20_000, async () => {
        lost = await counter(server, 'gfserve_access_log_lost_lines_total');
        return (await readLines([file], SHAPE)).right + lost === answered;
      });
      if (!/access log: \d+ lines lost: ENOSPC/.test(server.log)) {
        findings.violation('the log does not tell of a full disk');
      }
    } finally {
      await server.stop();
    }
    const { right, wrong } = await readLines([file], SHAPE);
    tell(`full disk: ${answered} answered, ${right} lines, ${lost} lost, ${wrong} torn`);
    if (answered !== FULL_REQUESTS + 1_000) findings.violation(`only ${answered} were answered`);
  } finally {
    await unmount();
  }
}

export async function logging(
  findings: Findings,
  options: Options,
  stop: AbortSignal,
): Promise<void> {
  const plain = await Plain.build(findings, 1);
  const dir = join(plain.mount, '..', `${plain.volume}-logs`);
  try {
    await mkdir(dir, { recursive: true });
    await writeFile(join(plain.mount, 'f.txt'), BODY);
    await full(plain, dir);
    await rotated(plain, dir, options.requests, stop);
  } finally {
    await rm(dir, { recursive: true, force: true });
    await plain.takeDown();
  }
}
