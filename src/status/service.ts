/** The service's status as the supervisor knows it, without asking anybody; and its last minutes. */
import { hostname } from 'node:os';
import type { Config, VolumeConfig } from '../config/types.js';
import type { Ledger, WorkerFigures } from '../observe/ledger.js';
import { cache, http, type Metric, type Sample, volumes, workers } from '../observe/metrics.js';
import { readiness, SILENT_MS } from '../readiness.js';
import type { Events } from './events.js';
import {
  byClass,
  grown,
  History,
  hitRatio,
  latencyOf,
  type Moment,
  momentOf,
  rounded,
  STEP_MS,
  secondsBetween,
} from './history.js';
import type {
  CacheFigures,
  JobFigures,
  MountFigures,
  ProcessFigures,
  RequestFigures,
  ServiceReport,
  VolumeFigures,
} from './report.js';
import { key, type Parts, type Reading, read, requestsOf } from './totals.js';
import { VolumeWatch } from './volume_watch.js';

/** Workers report as often. */
const LOOK_MS = 1_000;
const NOW_MS = 10_000;
const MINUTE_MS = 60_000;

export interface ServiceStatusSources {
  readonly config: () => Config;
  readonly ledger: Ledger;
  readonly events: Events;
}

/** Two moments that figures are the difference of. */
interface Span {
  readonly from: Moment & { readonly parts: Parts };
  readonly to: Moment & { readonly parts: Parts };
  readonly seconds: number;
}

export class ServiceStatus {
  readonly #history: History;
  readonly #watch: VolumeWatch;
  #timer: NodeJS.Timeout | null = null;
  #stepMs = performance.now();

  constructor(private readonly sources: ServiceStatusSources) {
    this.#watch = new VolumeWatch(sources.events);
    this.#history = new History(this.#moment(read([])));
  }

  /** From now on it looks every second at what was reported. */
  start(): void {
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  close(): void {
    if (this.#timer) clearInterval(this.#timer);
  }

  /** As of now, where now is the last reports of the workers. */
  report(): ServiceReport {
    const { ledger, events } = this.sources;
    const config = this.sources.config();
    this.#watch.look(config.volumes, ledger.workers);
    const reading = read(ledger.samples());
    const { ready, text } = readiness(config.volumes, ledger.workers);
    const to = this.#moment(reading);
    const now = this.#span(to, NOW_MS);
    const minute = this.#span(to, MINUTE_MS);
    return {
      at: new Date(to.at).toISOString(),
      host: hostname(),
      nodeVersion: process.version,
      ready,
      missing: ready ? [] : text.split('\n'),
      workersConfigured: config.server.workers,
      workersReady: ledger.workers.filter(({ phase }) => phase === 'ready').length,
      requests: requestFigures(reading, now, minute),
      connections: { open: to.connections, accepted: to.totals.accepted },
      cache: config.cache.sizeBytes === 0 ? null : cacheFigures(reading, minute),
      volumes: config.volumes.map((volume) => this.#volume(volume, reading, minute)),
      mounts: mountFigures(config, minute),
      processes: ledger.workers.map((worker) => processFigures(worker, minute)),
      history: this.#history.columns(),
      events: events.latest,
    };
  }

  #look(): void {
    const { config, ledger } = this.sources;
    this.#watch.look(config().volumes, ledger.workers);
    const nowMs = performance.now();
    // A timer is a bit late each time: without this, a step would now and then last a second longer.
    if (nowMs - this.#stepMs < STEP_MS - LOOK_MS / 2) return;
    this.#stepMs = nowMs;
    this.#history.add(this.#moment(read(ledger.samples())));
  }

  #moment(reading: Reading): Moment & { readonly parts: Parts } {
    return { ...momentOf(reading, performance.now(), Date.now()), parts: reading.parts };
  }

  #span(to: Moment & { readonly parts: Parts }, ms: number): Span {
    const from = this.#history.before(to.ms, ms);
    return { from, to, seconds: secondsBetween(from, to) };
  }

  #volume({ name, required }: VolumeConfig, { gauges }: Reading, minute: Span): VolumeFigures {
    const gauge = (metric: Metric): number => gauges.get(key(metric.name, name)) ?? 0;
    return {
      name,
      required,
      ...this.#watch.get(name),
      threads: gauge(volumes.threads),
      busy: gauge(volumes.busy),
      stuck: gauge(volumes.stuck),
      queued: gauge(volumes.queued),
      jobs: jobFigures(name, minute),
      errors: errorFigures(name, minute),
    };
  }
}

function requestFigures({ gauges }: Reading, now: Span, minute: Span): RequestFigures {
  const { from, to, seconds } = now;
  const classes = byClass((status) => ({
    total: to.totals.classes[status],
    perSecond: rounded(grown(from.totals.classes[status], to.totals.classes[status]) / seconds),
  }));
  return {
    total: requestsOf(to.totals),
    perSecond: rounded(grown(requestsOf(from.totals), requestsOf(to.totals)) / seconds),
    active: gauges.get(key(http.active.name)) ?? 0,
    classes,
    firstByte: latencyOf(minute.from.totals.firstByte, minute.to.totals.firstByte),
    bytes: to.totals.bytes,
    bytesPerSecond: Math.round(grown(from.totals.bytes, to.totals.bytes) / seconds),
    incomplete: to.totals.incomplete,
  };
}

function cacheFigures({ gauges, totals }: Reading, minute: Span): CacheFigures {
  return {
    bytes: gauges.get(key(cache.bytes.name)) ?? 0,
    limitBytes: gauges.get(key(cache.limit.name)) ?? 0,
    entries: gauges.get(key(cache.entries.name)) ?? 0,
    evictions: totals.evictions,
    hitRatio: hitRatio(minute.from.totals, minute.to.totals),
  };
}

function jobFigures(volume: string, { from, to, seconds }: Span): JobFigures[] {
  return [...to.parts.jobs].flatMap(([name, cells]) => {
    const [of, operation = ''] = name.split('\0');
    if (of !== volume) return [];
    const before = from.parts.jobs.get(name);
    const count = (all: readonly number[]): number =>
      all.slice(0, -1).reduce((sum, each) => sum + each, 0);
    const perSecond = rounded(grown(before && count(before), count(cells)) / seconds);
    return [{ operation, perSecond, ...latencyOf(before, cells) }];
  });
}

function errorFigures(volume: string, { from, to }: Span): Record<string, number> {
  const grownBy = [...to.parts.errors].flatMap(([name, count]) => {
    const [of, code = ''] = name.split('\0');
    const more = grown(from.parts.errors.get(name), count);
    return of === volume && more > 0 ? [[code, more] as const] : [];
  });
  return Object.fromEntries(grownBy);
}

/** Of mounts that are configured, and what no mount was found for as far as there was something. */
function mountFigures({ mounts }: Config, { from, to, seconds }: Span): MountFigures[] {
  const names = [...mounts.map(({ name }) => name), '-'];
  const figures = names.flatMap((name): MountFigures[] => {
    const now = to.parts.mounts.get(name);
    if (name === '-' && (now?.requests ?? 0) === 0) return [];
    const before = from.parts.mounts.get(name);
    return [
      {
        name,
        total: now?.requests ?? 0,
        perSecond: rounded(grown(before?.requests, now?.requests ?? 0) / seconds),
        bytesPerSecond: Math.round(grown(before?.bytes, now?.bytes ?? 0) / seconds),
        failed: grown(before?.failed, now?.failed ?? 0),
        ...latencyOf(before?.firstByte, now?.firstByte),
      },
    ];
  });
  return figures.sort((a, b) => b.perSecond - a.perSecond || b.total - a.total);
}

function processFigures(worker: WorkerFigures, { from, to, seconds }: Span): ProcessFigures {
  const { number, pid, phase, samples, ageMs } = worker;
  const gauge = (metric: Metric): number | null => numberOf(samples, metric);
  const startedS = gauge(workers.started);
  const busy = to.parts.loopBusy.get(String(number));
  const share = grown(from.parts.loopBusy.get(String(number)), busy ?? 0) / seconds;
  return {
    number,
    pid,
    state: phase === 'ready' && ageMs > SILENT_MS ? 'silent' : phase,
    uptimeMs: startedS === null ? null : Math.max(0, Math.round(to.at - startedS * 1000)),
    busy: busy === undefined ? null : rounded(Math.min(1, share)),
    memoryBytes: gauge(workers.rss),
    connections: gauge(http.connections) ?? 0,
  };
}

function numberOf(samples: readonly Sample[], { name }: Metric): number | null {
  const value = samples.find((each) => each.name === name)?.value;
  return typeof value === 'number' ? value : null;
}
