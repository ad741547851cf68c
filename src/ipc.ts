import type { SendHandle } from 'node:child_process';
import cluster from 'node:cluster';
import type { Config } from './config/types.js';
import { isSample, type Sample } from './observe/metrics.js';
import { isSocketHandle, type SocketHandle } from './sockets.js';

/** What the supervisor tells a worker. */
export type ToWorker =
  /** Comes with a socket, before `start`: one to listen on instead of opening it. See sockets.ts for the key. */
  | { readonly type: 'socket'; readonly key: string }
  /**
   * The answer to `hello`. `number` is 1 to `server.workers` and stays the same over restarts; `config` is frozen; `graceMs`:
   * volumes get so long to connect before the first request may meet one that has not.
   */
  | {
      readonly type: 'start';
      readonly number: number;
      readonly config: Config;
      readonly graceMs: number;
    }
  /** Stop accepting, finish what is under way within `timeoutMs`, say `drained`, exit with status 0. */
  | { readonly type: 'drain'; readonly timeoutMs: number }
  /** The same, where others have taken over: clients get time to leave idle connections by themselves. */
  | { readonly type: 'retire'; readonly timeoutMs: number }
  /** The access log's file may have been renamed: go on with the one that has the name now. */
  | { readonly type: 'reopen' }
  /** Answer with a `status` of the same `id`. */
  | { readonly type: 'status'; readonly id: number }
  /** Answer with `metrics` at once. */
  | { readonly type: 'measure' };

/** What a worker tells the supervisor. */
export type FromWorker =
  /** The first message: asks for `start`. */
  | { readonly type: 'hello' }
  /** Comes with the socket of one of its listeners, before `listening`. */
  | { readonly type: 'socket'; readonly key: string }
  /** All listeners are open; what they are is for people. */
  | { readonly type: 'listening'; readonly listeners: readonly string[] }
  /** Requests are being answered. */
  | { readonly type: 'ready' }
  /** So many connections to volumes have ended that libgfapi has kept a good deal of memory: see wear.ts. Said again until it is gone. */
  | { readonly type: 'worn'; readonly ended: number }
  /** It cannot start, and is about to exit. `code` is one of the catalogue. */
  | { readonly type: 'failed'; readonly code: string; readonly message: string }
  | { readonly type: 'status'; readonly id: number; readonly body: WorkerStatus }
  /** All of its figures since its start; once a second, when `asked`, and before `drained`. */
  | { readonly type: 'metrics'; readonly asked: boolean; readonly samples: readonly Sample[] }
  /** Numbers of requests that were under way when the drain began: finished, and cut off at its deadline. */
  | { readonly type: 'drained'; readonly finished: number; readonly cut: number };

export interface VolumeStatus {
  readonly name: string;
  readonly state: string;
  /** The volfile server that it was connected through. */
  readonly server: string | null;
  /** Since when it is in this state: milliseconds since 1970. */
  readonly since: number;
  /** Counters of the addon, by their names there. */
  readonly native: Readonly<Record<string, number>>;
  readonly bricks: readonly BrickStatus[];
  /** Counters of the cache in front of it, by their names there; null: there is none. */
  readonly cache?: Readonly<Record<string, number>> | null;
}

export interface BrickStatus {
  /** `host:/path` */
  readonly text: string;
  readonly connected: boolean;
}

export interface WorkerStatus {
  readonly number: number;
  readonly pid: number;
  readonly uptimeMs: number;
  readonly requests: { readonly total: number; readonly active: number };
  readonly connections?: number;
  /** Lines that the access log has lost. */
  readonly logLinesLost?: number;
  readonly volumes: readonly VolumeStatus[];
  /** The cache's memory: bytes and counts; null: there is none. */
  readonly cache?: Readonly<Record<string, number>> | null;
  /** Bytes. */
  readonly memory: {
    readonly rss: number;
    readonly heapUsed: number;
    readonly external: number;
    /** What is lent to jobs and for what they have read. */
    readonly blockBytes?: number;
  };
}

/** Narrows what came in over the channel; null: it is no message of ours. */
export function readToWorker(value: unknown): ToWorker | null {
  if (!isRecord(value)) return null;
  const { type, number, config, graceMs, timeoutMs, id, key } = value;
  if (type === 'start' && isCount(number) && isConfig(config) && isCount(graceMs)) {
    return { type, number, config: frozen(config), graceMs };
  }
  if ((type === 'drain' || type === 'retire') && isCount(timeoutMs)) return { type, timeoutMs };
  if (type === 'reopen') return { type };
  if (type === 'socket' && isText(key)) return { type, key };
  if (type === 'status' && isCount(id)) return { type, id };
  if (type === 'measure') return { type };
  return null;
}

/** Narrows what came in over the channel; null: it is no message of ours. */
export function readFromWorker(value: unknown): FromWorker | null {
  if (!isRecord(value)) return null;
  const { type, listeners, code, message, id, body, asked, samples, finished, cut, key, ended } =
    value;
  if (type === 'hello' || type === 'ready') return { type };
  if (type === 'worn' && isCount(ended)) return { type, ended };
  if (type === 'socket' && isText(key)) return { type, key };
  if (type === 'listening' && isListOf(listeners, isText)) return { type, listeners };
  if (type === 'failed' && isText(code) && isText(message)) return { type, code, message };
  if (type === 'status' && isCount(id) && isWorkerStatus(body)) return { type, id, body };
  if (type === 'metrics' && typeof asked === 'boolean' && isListOf(samples, isSample)) {
    return { type, asked, samples };
  }
  if (type === 'drained' && isCount(finished) && isCount(cut)) return { type, finished, cut };
  return null;
}

export interface SupervisorLink {
  /**
   * Never throws: without a supervisor nobody misses the message, and `orphaned` says so anyway. `sent` is called once
   * in either case, when the message is out or can't go out: a process that ends before may take it along.
   */
  send(message: FromWorker, sent?: () => void): void;
  /** The same with a socket, which is this link's from then on. */
  sendSocket(key: string, socket: SocketHandle): void;
}

export interface WorkerHandlers {
  /** `socket` only with `socket`, and the handler's. */
  message(message: ToWorker, socket: SocketHandle | null): void;
  /** The channel has ended, so the supervisor is gone: drain and exit, as nobody will say so any more. Called once. */
  orphaned(): void;
}

/**
 * The worker's end of the channel; call it once, early, then send `hello`. From then on the process ignores SIGINT,
 * SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2: a terminal's Ctrl-C and systemd send them to the whole group, and it is the supervisor who
 * decides. Of SIGUSR1, Node would open a debugger's port.
 * Throws when the process was not started by a supervisor.
 */
export function joinSupervisor(handlers: WorkerHandlers): SupervisorLink {
  const { worker } = cluster;
  if (!worker) throw new Error('this file is started by gfserve, not by hand');
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const)
    process.on(signal, () => undefined);
  process.on('message', (value: unknown, handle: unknown) => {
    const message = readToWorker(value);
    if (message) handlers.message(message, isSocketHandle(handle) ? handle : null);
  });
  worker.once('disconnect', () => {
    // Else node:cluster ends the process as soon as this returns, with status 0 and nothing drained.
    worker.exitedAfterDisconnect = true;
    handlers.orphaned();
  });
  return {
    send: (message, sent = () => undefined) => {
      if (process.connected) process.send?.(message, undefined, undefined, () => sent());
      else sent();
    },
    sendSocket: (key, socket) => {
      const message: FromWorker = { type: 'socket', key };
      const close = (): void => socket.close();
      if (process.connected) process.send?.(message, sendable(socket), undefined, close);
      else close();
    },
  };
}

/** A message may carry it, though the declarations of Node don't say so. */
export const sendable = (socket: SocketHandle): SendHandle => socket as unknown as SendHandle;

/** A message is a copy, and copying does not keep frozen what the supervisor froze. */
function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(frozen);
    Object.freeze(value);
  }
  return value;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value);
const isCount = (value: unknown): value is number => isNumber(value) && value >= 0;
const isListOf = <T>(value: unknown, is: (item: unknown) => item is T): value is T[] =>
  Array.isArray(value) && value.every(is);

/** Both ends are of one build and the supervisor has validated it: this only tells it from something else. */
function isConfig(value: unknown): value is Config {
  if (!isRecord(value)) return false;
  const { server, log, limits, volumes, mounts } = value;
  return (
    [server, log, limits].every(isRecord) &&
    isListOf(volumes, isRecord) &&
    isListOf(mounts, isRecord)
  );
}

function isWorkerStatus(value: unknown): value is WorkerStatus {
  if (!isRecord(value)) return false;
  const { number, pid, uptimeMs, requests, connections, logLinesLost, volumes, memory } = value;
  return (
    [number, pid, uptimeMs].every(isCount) &&
    (connections === undefined || isCount(connections)) &&
    (logLinesLost === undefined || isCount(logLinesLost)) &&
    isRecord(requests) &&
    [requests.total, requests.active].every(isCount) &&
    isRecord(memory) &&
    [memory.rss, memory.heapUsed, memory.external, memory.blockBytes ?? 0].every(isCount) &&
    isListOf(volumes, isVolumeStatus)
  );
}

function isVolumeStatus(value: unknown): value is VolumeStatus {
  if (!isRecord(value)) return false;
  const { name, state, server, since, native, bricks } = value;
  return (
    isText(name) &&
    isText(state) &&
    (server === null || isText(server)) &&
    isNumber(since) &&
    isRecord(native) &&
    Object.values(native).every(isNumber) &&
    isListOf(bricks, isBrickStatus)
  );
}

function isBrickStatus(value: unknown): value is BrickStatus {
  return isRecord(value) && isText(value.text) && typeof value.connected === 'boolean';
}
