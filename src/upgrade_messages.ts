/**
 * What two gfserves say to each other while one takes the other's place, over a channel of Node's. They may be of different
 * versions: what is not understood is passed over, and nothing may ever change its meaning.
 */
import { isSample, type Sample } from './observe/metrics.js';

/** Set for the one that is to take the place of its parent, to the parent's number. */
export const PREDECESSOR_VARIABLE = 'GFSERVE_PREDECESSOR';

/** What the gfserve that runs tells the one that it has started. */
export type ToSuccessor =
  /** Comes with a listening socket of the worker of this number; before `begin`. */
  | { readonly type: 'socket'; readonly number: number; readonly key: string }
  /** Comes with the admin listener's socket; before `begin`. */
  | { readonly type: 'admin'; readonly key: string }
  /** That was all. `ports` and `paths` are those that the gfserve that runs listens on. */
  | {
      readonly type: 'begin';
      readonly ports: readonly number[];
      readonly paths: readonly string[];
      readonly pidFile: string | null;
    }
  /** All that was ever counted; comes with `take-over` for the first time, then once a second, at last before the end. */
  | { readonly type: 'metrics'; readonly samples: readonly Sample[] }
  /** The answer to `ready`. */
  | { readonly type: 'take-over' }
  /** Everything is to end: in order, or at once. */
  | { readonly type: 'stop'; readonly atOnce: boolean };

/** What the one that was started tells the gfserve that runs. */
export type FromSuccessor =
  /** The first message: asks for the sockets. */
  | { readonly type: 'hello'; readonly version: string }
  /** It ends, for these reasons. */
  | { readonly type: 'failed'; readonly problems: readonly string[] }
  /** All workers answer requests. It listens on unix sockets at these paths. */
  | { readonly type: 'ready'; readonly paths: readonly string[] }
  /** It is the gfserve that runs now. */
  | { readonly type: 'taken' }
  /** It has opened its access log anew; so should the other one, as long as it is there. */
  | { readonly type: 'reopen-logs' }
  | { readonly type: 'stop'; readonly atOnce: boolean };

/** Narrows what came in over the channel; null: it is no message of ours. */
export function readToSuccessor(value: unknown): ToSuccessor | null {
  if (!isRecord(value)) return null;
  const { type, number, key, ports, paths, pidFile, samples, atOnce } = value;
  if (type === 'socket' && isNumber(number) && isText(key)) return { type, number, key };
  if (type === 'admin' && isText(key)) return { type, key };
  if (type === 'begin' && isListOf(ports, isNumber) && isListOf(paths, isText)) {
    return { type, ports, paths, pidFile: isText(pidFile) ? pidFile : null };
  }
  // Another version may count what this one does not.
  if (type === 'metrics' && Array.isArray(samples)) {
    return { type, samples: samples.filter(isSample) };
  }
  if (type === 'take-over') return { type };
  if (type === 'stop' && typeof atOnce === 'boolean') return { type, atOnce };
  return null;
}

/** Narrows what came in over the channel; null: it is no message of ours. */
export function readFromSuccessor(value: unknown): FromSuccessor | null {
  if (!isRecord(value)) return null;
  const { type, version, problems, paths, atOnce } = value;
  if (type === 'hello' && isText(version)) return { type, version };
  if (type === 'failed' && isListOf(problems, isText)) return { type, problems };
  if (type === 'ready' && isListOf(paths, isText)) return { type, paths };
  if (type === 'taken' || type === 'reopen-logs') return { type };
  if (type === 'stop' && typeof atOnce === 'boolean') return { type, atOnce };
  return null;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value);
const isListOf = <T>(value: unknown, is: (item: unknown) => item is T): value is T[] =>
  Array.isArray(value) && value.every(is);
