/** What the status page needs of all samples: the ledger's, so the same as on /metrics. Pure. */
import { addCells } from '../observe/histogram.js';
import { cache, http, type Sample, volumes, workers } from '../observe/metrics.js';
import { CLASSES, type StatusClass } from './report.js';

/** Cells of a histogram, or undefined before the first. */
type Cells = readonly number[] | undefined;

export interface MountTotals {
  requests: number;
  /** Status 500 or more. */
  failed: number;
  bytes: number;
  firstByte: Cells;
}

/** What only grows, of the whole service. */
export interface Totals {
  readonly classes: Record<StatusClass, number>;
  bytes: number;
  incomplete: number;
  accepted: number;
  evictions: number;
  firstByte: Cells;
  /** Answers, and those that memory gave without asking a volume. */
  answers: number;
  hits: number;
}

/** What only grows, of its parts. Keys of two words have a NUL between them. */
export interface Parts {
  readonly mounts: Map<string, MountTotals>;
  /** By volume and operation. */
  readonly jobs: Map<string, readonly number[]>;
  /** By volume and code. */
  readonly errors: Map<string, number>;
  /** By a worker's number: seconds. */
  readonly loopBusy: Map<string, number>;
}

/** What is so now. By metric and first label, such as a volume's name. */
export type Gauges = ReadonlyMap<string, number>;

export interface Reading {
  readonly totals: Totals;
  readonly parts: Parts;
  readonly gauges: Gauges;
}

/** Answers without a look at the volume. */
const FROM_MEMORY: readonly string[] = ['hit', 'stale'];

export const requestsOf = ({ classes }: Totals): number =>
  CLASSES.reduce((sum, each) => sum + classes[each], 0);

export const key = (...words: readonly string[]): string => words.join('\0');

export function classOf(status: string): StatusClass {
  const name = `${status[0]}xx`;
  return CLASSES.find((each) => each === name) ?? 'other';
}

const GAUGES: ReadonlySet<string> = new Set(
  [
    ...[http.active, http.connections, cache.bytes, cache.limit, cache.entries],
    ...[volumes.threads, volumes.busy, volumes.stuck, volumes.queued],
  ].map(({ name }) => name),
);

export function read(samples: readonly Sample[]): Reading {
  const totals: Totals = {
    classes: { '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0, other: 0 },
    ...{ bytes: 0, incomplete: 0, accepted: 0, evictions: 0, answers: 0, hits: 0 },
    firstByte: undefined,
  };
  const parts: Parts = {
    mounts: new Map(),
    jobs: new Map(),
    errors: new Map(),
    loopBusy: new Map(),
  };
  const gauges = new Map<string, number>();
  for (const { name, labels, value } of samples) {
    if (typeof value !== 'number') takeTimes(totals, parts, name, labels, value);
    else if (GAUGES.has(name)) gauges.set(key(name, ...labels), value);
    else takeCount(totals, parts, name, labels, value);
  }
  return { totals, parts, gauges };
}

function takeCount(
  totals: Totals,
  parts: Parts,
  name: string,
  labels: readonly string[],
  value: number,
): void {
  const [first = '', , third = ''] = labels;
  switch (name) {
    case http.requests.name: {
      const status = classOf(third);
      totals.classes[status] += value;
      const mount = mountOf(parts, first);
      mount.requests += value;
      if (status === '5xx') mount.failed += value;
      return;
    }
    case http.bytes.name:
      totals.bytes += value;
      mountOf(parts, first).bytes += value;
      return;
    case http.cut.name:
      totals.incomplete += value;
      return;
    case http.accepted.name:
      totals.accepted += value;
      return;
    case cache.evictions.name:
      totals.evictions += value;
      return;
    case volumes.errors.name:
      parts.errors.set(key(...labels), value);
      return;
    case workers.loopBusy.name:
      parts.loopBusy.set(first, value);
      return;
  }
}

function takeTimes(
  totals: Totals,
  parts: Parts,
  name: string,
  labels: readonly string[],
  cells: readonly number[],
): void {
  if (name === volumes.jobs.name) parts.jobs.set(key(...labels), cells);
  if (name !== http.firstByte.name) return;
  const [first = '', outcome = ''] = labels;
  totals.firstByte = sum(totals.firstByte, cells);
  const mount = mountOf(parts, first);
  mount.firstByte = sum(mount.firstByte, cells);
  const count = cells.slice(0, -1).reduce((all, each) => all + each, 0);
  totals.answers += count;
  if (FROM_MEMORY.includes(outcome)) totals.hits += count;
}

const sum = (a: Cells, b: readonly number[]): readonly number[] => (a ? addCells(a, b) : b);

function mountOf({ mounts }: Parts, name: string): MountTotals {
  const found = mounts.get(name);
  if (found) return found;
  const made: MountTotals = { requests: 0, failed: 0, bytes: 0, firstByte: undefined };
  mounts.set(name, made);
  return made;
}
