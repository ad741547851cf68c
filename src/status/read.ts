/** A status that came over a socket. Pure. */
import { CLASSES, type StatusReport } from './report.js';

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): boolean => typeof value === 'string';
const isNumber = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value);
const isNumberOrNull = (value: unknown): boolean => value === null || isNumber(value);
const areAll = (values: readonly unknown[], is: (value: unknown) => boolean): boolean =>
  values.every(is);
const isListOf = (value: unknown, is: (value: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(is);

const isLatency = (value: unknown): boolean =>
  isFields(value) && areAll([value.p50Ms, value.p99Ms], isNumberOrNull);

/** null: it is no status, or that of a version of gfserve that says other things. */
export function readStatus(value: unknown): StatusReport | null {
  return isStatus(value) ? value : null;
}

function isStatus(value: unknown): value is StatusReport {
  if (!isFields(value)) return false;
  const { version, at, host, ready, missing, cache, connections } = value;
  return (
    areAll([version, at, host], isText) &&
    typeof ready === 'boolean' &&
    areAll([value.pid, value.uptimeMs, value.workersConfigured, value.workersReady], isNumber) &&
    isListOf(missing, isText) &&
    isRequests(value.requests) &&
    isFields(connections) &&
    isNumber(connections.open) &&
    (cache === null || isCache(cache)) &&
    isListOf(value.volumes, isVolume) &&
    isListOf(value.mounts, isMount) &&
    isListOf(value.processes, isProcess) &&
    isHistory(value.history) &&
    isListOf(
      value.events,
      (event) => isFields(event) && areAll([event.at, event.tone, event.text], isText),
    )
  );
}

function isRequests(value: unknown): boolean {
  if (!isFields(value)) return false;
  const { classes, firstByte, perSecond, bytesPerSecond } = value;
  return (
    areAll([perSecond, bytesPerSecond], isNumber) &&
    isLatency(firstByte) &&
    isFields(classes) &&
    CLASSES.every((name) => {
      const figures = classes[name];
      return isFields(figures) && isNumber(figures.perSecond);
    })
  );
}

const isCache = (value: unknown): boolean =>
  isFields(value) &&
  areAll([value.bytes, value.limitBytes], isNumber) &&
  isNumberOrNull(value.hitRatio);

function isVolume(value: unknown): boolean {
  if (!isFields(value)) return false;
  const { name, state, since, bricks, jobs, errors, threads, busy, stuck, queued } = value;
  return (
    areAll([name, state, since], isText) &&
    areAll([threads, busy, stuck, queued], isNumber) &&
    isFields(errors) &&
    areAll(Object.values(errors), isNumber) &&
    isListOf(
      bricks,
      (brick) =>
        isFields(brick) &&
        areAll([brick.text, brick.since], isText) &&
        typeof brick.up === 'boolean',
    ) &&
    isListOf(
      jobs,
      (job) => isFields(job) && isText(job.operation) && isNumber(job.perSecond) && isLatency(job),
    )
  );
}

const isMount = (value: unknown): boolean =>
  isFields(value) &&
  isText(value.name) &&
  areAll([value.perSecond, value.bytesPerSecond, value.failed], isNumber) &&
  isLatency(value);

const isProcess = (value: unknown): boolean =>
  isFields(value) &&
  isText(value.state) &&
  areAll([value.number, value.connections], isNumber) &&
  areAll([value.pid, value.uptimeMs, value.busy, value.memoryBytes], isNumberOrNull);

function isHistory(value: unknown): boolean {
  if (!isFields(value)) return false;
  const { perSecond, p50Ms, p99Ms, hitRatio, bytesPerSecond, connections } = value;
  return (
    isFields(perSecond) &&
    CLASSES.every((name) => isListOf(perSecond[name], isNumber)) &&
    isNumber(value.stepMs) &&
    isListOf(value.at, isNumber) &&
    areAll([p50Ms, p99Ms, hitRatio], (column) => isListOf(column, isNumberOrNull)) &&
    areAll([bytesPerSecond, connections], (column) => isListOf(column, isNumber))
  );
}
