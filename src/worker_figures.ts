/** What a worker reports to the supervisor: all of its figures, as samples. */
import type { VolumeStatus, WorkerStatus } from './ipc.js';
import { EventLoop } from './observe/event_loop.js';
import { cache, http, type Sample, sample, volumes, workers } from './observe/metrics.js';
import type { MountCounters } from './observe/request_counters.js';
import type { VolumeCounters } from './observe/volume_counters.js';

/** A volume's states, as far as a worker that serves can see them. */
const STATES = ['connecting', 'healthy', 'degraded', 'down'] as const;

export interface FigureSources {
  readonly status: () => WorkerStatus;
  /** Client connections that were ever opened. */
  readonly accepted: () => number;
  readonly mounts: readonly MountCounters[];
  /** By name. */
  readonly volumes: ReadonlyMap<string, VolumeCounters>;
}

export class WorkerReport {
  readonly #loop = new EventLoop();
  readonly #startedAt = Date.now() / 1000 - process.uptime();

  constructor(private readonly sources: FigureSources) {}

  /** As of now. */
  samples(): Sample[] {
    const { mounts, volumes: counted } = this.sources;
    const status = this.sources.status();
    return [
      ...mounts.flatMap((mount) => mount.samples()),
      sample(http.active, [], status.requests.active),
      sample(http.connections, [], status.connections ?? 0),
      sample(http.accepted, [], this.sources.accepted()),
      ...status.volumes.flatMap(volumeSamples),
      ...[...counted].flatMap(([name, counters]) => counters.samples(name)),
      ...memorySamples(status),
      ...this.#processSamples(status),
    ];
  }

  close(): void {
    this.#loop.close();
  }

  #processSamples({ number, memory, logLinesLost }: WorkerStatus): Sample[] {
    const labels = [String(number)] as const;
    const { user, system } = process.cpuUsage();
    return [
      sample(workers.started, labels, this.#startedAt),
      sample(workers.cpu, labels, (user + system) / 1e6),
      sample(workers.rss, labels, memory.rss),
      sample(workers.heap, labels, memory.heapUsed),
      sample(workers.external, labels, memory.external),
      sample(workers.blocks, labels, memory.blockBytes ?? 0),
      sample(workers.loopBusy, labels, this.#loop.busy),
      sample(workers.loopLag, labels, this.#loop.lag),
      sample(workers.linesLost, labels, logLinesLost ?? 0),
    ];
  }
}

/** What /status shows of a volume. */
export function volumeSamples({
  name,
  state,
  native,
  bricks,
  cache: held,
}: VolumeStatus): Sample[] {
  const labels = [name] as const;
  const samples = [
    ...STATES.map((each) => sample(volumes.state, [name, each], each === state ? 1 : 0)),
    ...bricks.map(({ text, connected }) =>
      sample(volumes.brickUp, [name, text], connected ? 1 : 0),
    ),
    sample(volumes.threads, labels, native.threads ?? 0),
    sample(volumes.busy, labels, native.busy ?? 0),
    sample(volumes.stuck, labels, native.stuck ?? 0),
    sample(volumes.queued, labels, native.queued ?? 0),
    sample(volumes.handles, labels, native.handles ?? 0),
    sample(volumes.openFiles, labels, native.openFiles ?? 0),
  ];
  if (!held) return samples;
  return [
    ...samples,
    sample(cache.lookups, [name, 'hit'], held.hits ?? 0),
    sample(cache.lookups, [name, 'miss'], held.misses ?? 0),
    sample(cache.lookups, [name, 'revalidated'], held.revalidated ?? 0),
    sample(cache.lookups, [name, 'stale'], held.stale ?? 0),
    sample(cache.invalidations, labels, held.invalidations ?? 0),
    sample(cache.unannounced, labels, held.unannounced ?? 0),
    sample(cache.names, labels, held.entries ?? 0),
  ];
}

function memorySamples({ cache: memory }: WorkerStatus): Sample[] {
  if (!memory) return [];
  return [
    sample(cache.bytes, [], memory.bytes ?? 0),
    sample(cache.limit, [], memory.budget ?? 0),
    sample(cache.blockBytes, [], memory.blockBytes ?? 0),
    sample(cache.entries, [], memory.entries ?? 0),
    sample(cache.evictions, [], memory.evictions ?? 0),
    sample(cache.compressions, ['made'], memory.compressed ?? 0),
    sample(cache.compressions, ['refused'], memory.compressRefused ?? 0),
  ];
}
