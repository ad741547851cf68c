import { isUtf8 } from 'node:buffer';
import type { LogConfig } from '../config/types.js';
import type { CacheOutcome } from './request_counters.js';

/** One answered request. Everything in it that a client can choose is escaped when it is formatted. */
export interface AccessEntry {
  /** The client's address. */
  readonly client: string;
  readonly method: string;
  /** As it stood in the request line, query and all; Latin-1, so that each character is one byte. */
  readonly target: string;
  /** The Host header; empty: there was none. */
  readonly host: string;
  readonly status: number;
  /** Bytes of the body that were sent. */
  readonly bytes: number;
  /** When the request came in: milliseconds since 1970. */
  readonly startedMs: number;
  /** Until the kernel had taken the last byte, or the client had gone. */
  readonly durationMs: number;
  /** Empty: there was none. */
  readonly referer: string;
  /** Empty: there was none. */
  readonly userAgent: string;
  readonly cache: CacheOutcome;
  readonly mount: string | null;
  readonly volume: string | null;
}

/** uWebSockets.js answers nothing else: HTTP/1.0 gets 505 from the parser. */
const PROTOCOL = 'HTTP/1.1';

/**
 * One line with its newline. A pipe takes PIPE_BUF bytes as one piece and may cut what is longer, and then another
 * worker's line can stand between the halves: a client could so begin a line of its own. With `limit` the client's part
 * is therefore cut until the line is no longer than that many bytes.
 */
export function accessLine(
  entry: AccessEntry,
  format: LogConfig['format'],
  limit = Infinity,
): string {
  const line = format === 'json' ? json : combined;
  let text = line(entry);
  for (let longest = 2048; longest > 16 && isLonger(text, limit); longest >>= 1) {
    text = line(shortened(entry, longest));
  }
  return text;
}

/** No character has more than three bytes. */
const isLonger = (text: string, limit: number): boolean =>
  text.length * 3 > limit && Buffer.byteLength(text) > limit;

function shortened(entry: AccessEntry, longest: number): AccessEntry {
  const cut = (text: string) => (text.length > longest ? `${text.slice(0, longest)}...` : text);
  return {
    ...entry,
    client: cut(entry.client),
    method: cut(entry.method),
    target: cut(entry.target),
    host: cut(entry.host),
    referer: cut(entry.referer),
    userAgent: cut(entry.userAgent),
  };
}

/** nginx' `combined`: its log_format of that name, with its escapes. What is ours comes behind that. */
function combined(e: AccessEntry): string {
  const client = e.client === '' ? '-' : word(e.client);
  const request = `${quotable(e.method, 'utf8')} ${quotable(e.target, 'latin1')} ${PROTOCOL}`;
  const theirs = `"${shown(e.referer)}" "${shown(e.userAgent)}" "${shown(e.host)}"`;
  const ours = `${seconds(e.durationMs)} ${e.cache} ${e.volume ?? '-'}`;
  return `${client} - - [${localTime(e.startedMs)}] "${request}" ${e.status} ${e.bytes} ${theirs} ${ours}\n`;
}

/** What stands in a line where, for `LineMaker`; the same numbers as in addon/access_line.h. Each at most once. */
const Slot = {
  client: 0,
  target: 1,
  host: 2,
  referer: 3,
  userAgent: 4,
  second: 5,
  millisecond: 6,
  status: 7,
  bytes: 8,
  seconds: 9,
  milliseconds: 10,
  /** Added to one of the first five: a hyphen stands for what is empty. */
  orHyphen: 32,
} as const;

/** Of one piece of a line: a text of printable ASCII, or a slot. */
export type Piece = string | number;

/**
 * Makes lines of what uWebSockets.js holds of a request, by the addon, where nothing in it has to be escaped. A log has one chunk
 * at a time, into which lines are written.
 */
export interface LineMaker {
  /** `cells`: see `Cell` in access_log.ts. */
  openLog(cells: Uint32Array): number;
  closeLog(log: number): void;
  setChunk(log: number, chunk: Buffer): void;
  /** `second`: since 1970. `text`: how lines tell of it. */
  setSecond(log: number, second: number, text: string): void;
  addShape(log: number, pieces: readonly Piece[]): number;
  /**
   * How many bytes of the chunk the line takes, `longest` at most, behind the `used` first ones; 0: none does. `request`: of
   * uWebSockets.js.
   */
  putLine(
    log: number,
    shape: number,
    used: number,
    longest: number,
    request: object,
    client: string,
    status: number,
    bytes: number,
    startedMs: number,
    durationUs: number,
  ): number;
}

/** What many lines have in common: all are of GETs that were answered from memory. */
export interface HotSource {
  readonly mount: string;
  readonly volume: string;
}

/**
 * The line that `accessLine` makes, as a form that others can fill in, where nothing in it has to be escaped. null: what is
 * common to all of them has to be.
 */
export function hotShape(format: LogConfig['format'], source: HotSource): readonly Piece[] | null {
  const { mount, volume } = source;
  if (!IS_PLAIN.test(mount + volume)) return null;
  if (format === 'json') {
    return [
      ...['{"time":"', Slot.second, Slot.millisecond, 'Z","client":"', Slot.client],
      ...['","host":"', Slot.host, '","method":"GET","path":"', Slot.target],
      ...[`","protocol":"${PROTOCOL}","status":`, Slot.status, ',"bytes":', Slot.bytes],
      ...[',"duration_ms":', Slot.milliseconds, ',"cache":"hit","referer":"', Slot.referer],
      ...['","user_agent":"', Slot.userAgent, `","volume":"${volume}","mount":"${mount}"}\n`],
    ];
  }
  return [
    ...[Slot.client + Slot.orHyphen, ' - - [', Slot.second, '] "GET ', Slot.target],
    ...[` ${PROTOCOL}" `, Slot.status, ' ', Slot.bytes, ' "', Slot.referer + Slot.orHyphen],
    ...['" "', Slot.userAgent + Slot.orHyphen, '" "', Slot.host + Slot.orHyphen, '" '],
    ...[Slot.seconds, ` hit ${volume}\n`],
  ];
}

/** How lines tell of the second in which a request began. */
export const secondText = (format: LogConfig['format'], ms: number): string =>
  format === 'json' ? isoSecond(ms) : localTime(ms);

const shown = (text: string): string => (text === '' ? '-' : quotable(text, 'utf8'));

/** Without a space, which would end it. */
function word(text: string): string {
  const quoted = quotable(text, 'utf8');
  return quoted.includes(' ') ? quoted.replaceAll(' ', '\\x20') : quoted;
}

const THREE = Array.from({ length: 1000 }, (_, number) => String(number).padStart(3, '0'));

/** With six decimals. `toFixed` would take as long as the rest of the line. */
function seconds(ms: number): string {
  const micros = Math.max(0, Math.round(ms * 1000));
  const whole = Math.floor(micros / 1e6);
  const rest = micros - whole * 1e6;
  const millis = Math.floor(rest / 1000);
  return `${whole}.${THREE[millis] ?? ''}${THREE[rest - millis * 1000] ?? ''}`;
}

const IS_PLAIN = /^[ !#-[\]-~]*$/;

/** As ngx_http_log_escape: everything outside printable ASCII, the quote and the backslash become \xHH. */
function quotable(text: string, encoding: 'utf8' | 'latin1'): string {
  if (IS_PLAIN.test(text)) return text;
  let out = '';
  for (const byte of Buffer.from(text, encoding)) {
    const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
    out += isPlain
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

/** As JSON.stringify would write it, which takes three times as long. */
function json(e: AccessEntry): string {
  const { client, host, method, status, bytes, referer, userAgent, cache, volume, mount } = e;
  const path = decoded(e.target);
  const duration = Math.round(e.durationMs * 1000) / 1000;
  const asked = `{"time":"${isoTime(e.startedMs)}","client":${text(client)},"host":${text(host)},"method":${text(method)},"path":${text(path)},"protocol":"${PROTOCOL}"`;
  const answered = `"status":${status},"bytes":${bytes},"duration_ms":${duration},"cache":"${cache}"`;
  const rest = `"referer":${text(referer)},"user_agent":${text(userAgent)},"volume":${name(volume)},"mount":${name(mount)}`;
  return `${asked},${answered},${rest}}\n`;
}

const name = (value: string | null): string => (value === null ? 'null' : text(value));

/** JSON.stringify escapes C0 but not DEL, C1 and the separators, which some viewers take for the end of a line. */
function text(value: string): string {
  if (IS_PLAIN.test(value)) return `"${value}"`;
  return JSON.stringify(value).replace(/[\u007f-\u009f\u2028\u2029]/g, hex4);
}

const hex4 = (c: string) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** A target is bytes. UTF-8 is shown as what it says; anything else stays Latin-1, which loses nothing. */
function decoded(target: string): string {
  if (/^\p{ASCII}*$/u.test(target)) return target;
  const bytes = Buffer.from(target, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : target;
}

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
const two = (n: number) => String(n).padStart(2, '0');

/** `make` is asked once a second: it costs as much as the rest of the line. */
function eachSecond(make: (date: Date) => string): (ms: number) => string {
  let lastSecond = Number.NaN;
  let lastText = '';
  return (ms) => {
    const second = Math.floor(ms / 1000);
    if (second !== lastSecond) {
      lastText = make(new Date(ms));
      lastSecond = second;
    }
    return lastText;
  };
}

/** `21/Nov/2026:10:00:00 +0100`. */
const localTime = eachSecond((d) => {
  const zone = -d.getTimezoneOffset();
  const hours = two(Math.floor(Math.abs(zone) / 60));
  const offset = `${zone < 0 ? '-' : '+'}${hours}${two(Math.abs(zone) % 60)}`;
  const date = `${two(d.getDate())}/${MONTHS[d.getMonth()]}/${d.getFullYear()}`;
  return `${date}:${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())} ${offset}`;
});

/** `2026-11-21T10:00:00.` */
const isoSecond = eachSecond((d) => d.toISOString().slice(0, -4));

const isoTime = (ms: number): string =>
  `${isoSecond(ms)}${String((ms % 1000) + 1000).slice(1, 4)}Z`;
