import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadOrExplain, type Output } from './check.js';
import type { Config, ListenAddress } from './config/types.js';
import { describeAddress } from './describe.js';
import { errnoOf, oneLine } from './observe/log.js';
import { runningSupervisor } from './pid_file.js';
import { readStatus } from './status/read.js';
import type { StatusReport } from './status/report.js';
import { statusLines } from './status/terminal.js';

const READY = 0;
const NOT_READY = 1;
/** As systemctl and init scripts have it: the service does not run, or can't be asked. */
const NOT_REACHED = 3;

/** A worker that hangs costs a second, and gfserve may be busy. */
const ANSWER_MS = 10_000;
const MOST_BYTES = 64 * 1024 * 1024;
const REFRESH_MS = 2_000;

export interface StatusOptions {
  /** Prints the JSON as it came. */
  readonly json: boolean;
  /** Again and again, until SIGINT or SIGTERM. */
  readonly watch: boolean;
}

/** Where it is shown. Asked anew each time, as windows change. */
export interface Screen {
  readonly isTerminal: boolean;
  readonly colour: boolean;
  readonly unicode: boolean;
  size(): { readonly columns: number; readonly rows: number };
  /** Adds no newline. */
  write(text: string): void;
  /** Calls when nobody reads what is written any more. */
  onClosed(listener: () => void): void;
}

type Answer =
  | { readonly ok: true; readonly text: string; readonly report: StatusReport }
  | { readonly ok: false; readonly message: string };

/**
 * `gfserve status`: asks the admin listener of the gfserve that runs with this file, and shows what it says. Returns the exit
 * status: 0 it is ready, 1 it runs and is not, 3 it can't be asked. With `watch` that of the last answer.
 */
export async function status(
  file: string,
  options: StatusOptions,
  output: Output,
  screen: Screen,
): Promise<number> {
  const config = loadOrExplain(file, output);
  if (!config) return NOT_REACHED;
  const { listen } = config.admin;
  if (listen === null) {
    output.err(
      oneLine(
        `gfserve: ${file} has no [admin] listen: set one, such as "listen = 127.0.0.1:9145", and "gfserve reload"`,
      ),
    );
    return NOT_REACHED;
  }
  const askIt = (): Promise<Answer> => ask(listen, config);
  if (options.watch) return await watch(askIt, options, output, screen);
  const answer = await askIt();
  if (!answer.ok) {
    output.err(oneLine(`gfserve: ${answer.message}`));
    return NOT_REACHED;
  }
  if (options.json) screen.write(answer.text);
  else for (const line of linesOf(answer.report, screen)) output.out(line);
  return codeOf(answer);
}

const codeOf = (answer: Answer): number => {
  if (!answer.ok) return NOT_REACHED;
  return answer.report.ready ? READY : NOT_READY;
};

function linesOf(report: StatusReport, screen: Screen): string[] {
  const { colour, unicode } = screen;
  return statusLines(report, { width: screen.size().columns, colour, unicode });
}

/** Its own page of the terminal: what was there before is there again afterwards. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';

async function watch(
  askIt: () => Promise<Answer>,
  { json }: StatusOptions,
  output: Output,
  screen: Screen,
): Promise<number> {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, end);
  screen.onClosed(end);
  const isWhole = screen.isTerminal && !json;
  if (isWhole) screen.write(ENTER);
  let code = NOT_REACHED;
  try {
    while (!ending.signal.aborted) {
      const answer = await askIt();
      if (ending.signal.aborted) break;
      code = codeOf(answer);
      if (json) tellJson(answer, output);
      else if (isWhole) screen.write(frame(answer, screen));
      else for (const line of [...answerLines(answer, screen), '']) output.out(line);
      await sleep(REFRESH_MS, undefined, { signal: ending.signal }).catch(() => undefined);
    }
  } finally {
    if (isWhole) screen.write(LEAVE);
    for (const signal of signals) process.off(signal, end);
  }
  return code;
}

/** One line for each answer. */
function tellJson(answer: Answer, output: Output): void {
  if (answer.ok) output.out(JSON.stringify(answer.report));
  else output.err(oneLine(`gfserve: ${answer.message}`));
}

const answerLines = (answer: Answer, screen: Screen): string[] =>
  answer.ok ? linesOf(answer.report, screen) : [oneLine(`gfserve: ${answer.message}`)];

/** Over the one before, without a flicker; what is too long for the window is left out. */
function frame(answer: Answer, screen: Screen): string {
  const lines = answerLines(answer, screen).slice(0, Math.max(1, screen.size().rows - 1));
  return `\x1b[H${lines.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J`;
}

async function ask(listen: ListenAddress, config: Config): Promise<Answer> {
  const where = listen.kind === 'unix' ? listen.path : describeAddress(addressOf(listen));
  const reply = await get(listen);
  if (!reply.ok) return { ok: false, message: explain(reply.errno, where, config) };
  const report = reply.status === 200 ? readStatus(parsed(reply.text)) : null;
  if (report) return { ok: true, text: reply.text, report };
  return {
    ok: false,
    message: `what answers on ${where} (status ${reply.status}) is no gfserve of this version: restart gfserve if it was upgraded, or see who has the address`,
  };
}

function explain(errno: string, where: string, { file, server: { pidFile } }: Config): string {
  const pid = pidFile === null ? null : runningSupervisor(pidFile);
  if (errno === 'EACCES' || errno === 'EPERM') {
    return `${where} may not be opened (${errno}): run this as root or as gfserve's user`;
  }
  if (errno === 'ETIMEDOUT') {
    return `nothing was answered on ${where} within ${ANSWER_MS / 1000} s: see gfserve's log, and whether it is that process which has the address`;
  }
  return pid === null
    ? `nothing listens on ${where} (${errno}): gfserve does not run with ${file}; start it`
    : `nothing listens on ${where} (${errno}), though gfserve runs as process ${pid}: "gfserve reload" has it use what ${file} says now`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Of a listener on every address, one that can be called. */
function addressOf(address: ListenAddress & { readonly kind: 'tcp' }): typeof address {
  const { host } = address;
  if (host === '' || host === '*') return { ...address, host: 'localhost' };
  if (host === '0.0.0.0') return { ...address, host: '127.0.0.1' };
  return host === '::' ? { ...address, host: '::1' } : address;
}

type Reply =
  | { readonly ok: true; readonly status: number; readonly text: string }
  | { readonly ok: false; readonly errno: string };

function get(listen: ListenAddress): Promise<Reply> {
  const to =
    listen.kind === 'unix'
      ? { socketPath: listen.path }
      : { host: addressOf(listen).host, port: listen.port };
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const failed = (error: unknown): void => {
      resolve({ ok: false, errno: signal.aborted ? 'ETIMEDOUT' : errnoOf(error) });
    };
    const headers = { Accept: 'application/json', Connection: 'close' };
    request({ ...to, path: '/status.json', headers, signal }, (answer) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MOST_BYTES) answer.destroy(new Error('too long'));
        chunks.push(chunk);
      });
      answer.on('error', failed);
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ ok: true, status: answer.statusCode ?? 0, text });
      });
    })
      .on('error', failed)
      .end();
  });
}
