import { writeSync } from 'node:fs';
import { type Logger as Pino, pino } from 'pino';
import type { LogConfig } from '../config/types.js';

export type LogFields = Record<string, unknown>;

/** The error log. An `err` field may be an Error: its stack is logged. Never throws and never fails the caller. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Adds fields to every line. In text, `worker` and `volume` go before the message, the others after it. */
  child(fields: LogFields): Logger;
}

/** The process's own: what it is given at the start, a reload can change. Children keep theirs. */
export interface RootLogger extends Logger {
  setLevel(level: LogConfig['level']): void;
}

/** `text` is for a terminal; `json` for everything that stores or parses. */
export type LogStyle = 'text' | 'json';

export interface LogOptions {
  readonly level: LogConfig['level'];
  readonly style: LogStyle;
  /** Takes one or more whole lines. The default writes to stderr before it returns, so that no exit loses them. */
  readonly write?: (lines: string) => void;
}

/** GFSERVE_LOG_STYLE decides where it says text or json; else a terminal gets text and everything else JSON. */
export function logStyle(environment: NodeJS.ProcessEnv, isTerminal: boolean): LogStyle {
  const wanted = environment.GFSERVE_LOG_STYLE;
  if (wanted === 'text' || wanted === 'json') return wanted;
  return isTerminal ? 'text' : 'json';
}

/** The process's logger. One per process; everything else gets it, or a child of it, passed in. */
export function createLogger(options: LogOptions): RootLogger {
  const write = options.write ?? stderrWriter();
  const root = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    {
      write:
        options.style === 'text' ? (line) => write(textLine(line)) : (line) => write(safe(line)),
    },
  );
  const setLevel = (level: LogConfig['level']): void => {
    root.level = level;
  };
  return { ...wrap(root), setLevel };
}

function wrap(target: Pino): Logger {
  return {
    debug: (message, fields = {}) => target.debug(fields, message),
    info: (message, fields = {}) => target.info(fields, message),
    warn: (message, fields = {}) => target.warn(fields, message),
    error: (message, fields = {}) => target.error(fields, message),
    child: (fields) => wrap(target.child(fields)),
  };
}

// JSON's own escapes cover C0. DEL, C1 and the Unicode line and direction controls can still move a terminal's cursor
// or split a line in a viewer.
const CONTROLS = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

function safe(json: string): string {
  return json.replace(CONTROLS, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Makes text fit for one line of a log or a terminal: control characters become `\xHH` or `\u{HHHH}`. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, (c) => {
    const code = c.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

/** From pino's JSON line to `2026-11-21T10:00:00.123Z warn  worker 2: volume a: message  key=value`. */
function textLine(json: string): string {
  const record = parseRecord(json);
  if (record === null) return oneLine(json.trimEnd()).concat('\n');
  const { level, time, msg, worker, volume, err, ...rest } = record;
  const head = `${plain(time)} ${plain(level).padEnd(5)} `;
  const text = plain(msg);
  const about = [volume === undefined ? '' : `volume ${plain(volume)}: `];
  if (worker !== undefined) about.unshift(`worker ${plain(worker)}: `);
  // A message that must be clear by itself in JSON may begin so already.
  const before = about.filter((part) => !text.startsWith(part)).join('');
  const fields = Object.entries(rest).map(([key, value]) => `  ${oneLine(key)}=${plain(value)}`);
  return `${head}${before}${text}${fields.join('')}${trace(err)}\n`;
}

function parseRecord(json: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? { ...value } : null;
  } catch {
    return null;
  }
}

const plain = (value: unknown): string =>
  oneLine(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));

/** A stack needs its lines; each is indented, and no log line begins with a space. */
function trace(err: unknown): string {
  if (err === undefined) return '';
  const stack = typeof err === 'object' && err !== null && 'stack' in err ? err.stack : null;
  const text = typeof stack === 'string' ? stack : plain(err);
  return text
    .split('\n')
    .map((line) => `\n    ${oneLine(line)}`)
    .join('');
}

const RETRY_MS = 10;
const RETRIES = 10;

/**
 * Writes at once, so that nothing is lost when the process ends. A log that can't be written must not take the service
 * with it: where stderr doesn't block, a reader that has stopped costs 100 ms once, and from then on the lines.
 */
function stderrWriter(): (lines: string) => void {
  const clock = new Int32Array(new SharedArrayBuffer(4));
  let isStuck = false;
  return (lines) => {
    let rest = Buffer.from(lines);
    for (let tries = isStuck ? RETRIES : 0; rest.length > 0; tries += 1) {
      try {
        rest = rest.subarray(writeSync(2, rest));
        isStuck = false;
      } catch (e) {
        isStuck = errnoOf(e) === 'EAGAIN' && tries >= RETRIES;
        if (isStuck || errnoOf(e) !== 'EAGAIN') return;
        Atomics.wait(clock, 0, 0, RETRY_MS);
      }
    }
  };
}

/** The errno name of a failed system call, such as `ENOSPC`; '' where it was something else. */
export function errnoOf(error: unknown): string {
  const hasCode = typeof error === 'object' && error !== null && 'code' in error;
  return hasCode && typeof error.code === 'string' ? error.code : '';
}
