/**
 * What a service manager is told, by the protocol of sd_notify(3): a datagram of `NAME=value` lines to the socket that
 * NOTIFY_SOCKET names. Without one, nothing happens. The variables are taken out of the environment when this is loaded: no
 * process that gfserve starts is to speak for it unasked.
 */
import { constants } from 'node:os';
import { system } from './system.js';

export interface Service {
  /** Absolute path, or `@` and an abstract name. */
  readonly socket: string;
  /** Within what time WATCHDOG=1 must come again, in milliseconds; null: it need not come. */
  readonly watchdogMs: number | null;
}

/** What the environment of process `pid` says. Pure. */
export function readService(env: NodeJS.ProcessEnv, pid: number): Service | null {
  const { NOTIFY_SOCKET: socket = '', WATCHDOG_USEC: usec = '', WATCHDOG_PID: whose } = env;
  if (!/^[/@]./.test(socket)) return null;
  const isOurs = whose === undefined || whose === '' || Number(whose) === pid;
  const microseconds = /^[1-9][0-9]{0,17}$/.test(usec) ? Number(usec) : 0;
  return { socket, watchdogMs: isOurs && microseconds > 0 ? microseconds / 1000 : null };
}

const given = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as const;
const service = readService(process.env, process.pid);
for (const name of given) delete process.env[name];

/** Messages that the manager has had no room for yet, oldest first: few, and tried again soon. */
const waiting: string[] = [];
const MOST_WAITING = 64;
const RETRY_MS = 50;
let isRetrying = false;

/** null: gfserve was not started by one that wants to hear of it. */
export const serviceManager = (): Service | null => service;

/** What a process needs in its environment that is to take this one's place, and to say so by `MAINPID`. */
export function successorEnvironment(): Readonly<Record<string, string>> {
  if (service === null) return {};
  const { socket, watchdogMs } = service;
  return {
    NOTIFY_SOCKET: socket,
    ...(watchdogMs === null ? {} : { WATCHDOG_USEC: String(Math.round(watchdogMs * 1000)) }),
  };
}

/**
 * For example `{ READY: 1, STATUS: 'serving' }`, as sd_notify(3) has them. Values have no line breaks. Never blocks and never
 * throws: a manager that can't be reached will notice by itself.
 */
export function notify(fields: Readonly<Record<string, string | number>>): void {
  if (service === null) return;
  const lines = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
  if (waiting.length < MOST_WAITING) waiting.push(lines.join('\n'));
  flush();
}

/** RELOADING=1 and what belongs to it: the time that it began, by CLOCK_MONOTONIC, in microseconds. */
export const reloadingFields = (): Readonly<Record<string, string | number>> => ({
  RELOADING: 1,
  MONOTONIC_USEC: String(process.hrtime.bigint() / 1000n),
});

function flush(): void {
  if (service === null) return;
  for (let text = waiting[0]; text !== undefined; text = waiting[0]) {
    if (send(service.socket, text) === constants.errno.EAGAIN) {
      retrySoon();
      return;
    }
    waiting.shift();
  }
}

function retrySoon(): void {
  if (isRetrying) return;
  isRetrying = true;
  setTimeout(() => {
    isRetrying = false;
    flush();
  }, RETRY_MS).unref();
}

function send(socket: string, text: string): number {
  try {
    return system().sendDatagram(socket, text);
  } catch {
    return constants.errno.ENOSYS;
  }
}
