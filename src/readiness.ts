/** Whether this server should be sent requests: what /readyz says. Pure. */
import type { VolumeConfig } from './config/types.js';
import type { WorkerFigures } from './observe/ledger.js';
import { volumes } from './observe/metrics.js';

export interface Readiness {
  readonly ready: boolean;
  /** A line for each thing that is missing. */
  readonly text: string;
}

/** Workers report once a second: one that has said nothing for so long answers nobody else either. Milliseconds. */
export const SILENT_MS = 5_000;

/** Requests to it are answered from it. */
const CONNECTED: ReadonlySet<string> = new Set(['healthy', 'degraded']);

/** Listeners are open as soon as one worker is ready; each that is ready must be connected to each volume that is required. */
export function readiness(
  config: readonly Pick<VolumeConfig, 'name' | 'required'>[],
  workers: readonly WorkerFigures[],
): Readiness {
  const serving = workers.filter(({ phase }) => phase === 'ready');
  if (serving.length === 0) return { ready: false, text: 'no worker is ready' };
  const silent = serving
    .filter(({ ageMs }) => ageMs > SILENT_MS)
    .map(
      ({ number, ageMs }) => `worker ${number} has been silent for ${Math.round(ageMs / 1000)} s`,
    );
  const missing = config
    .filter(({ required }) => required)
    .flatMap(({ name }) => {
      const where = serving.flatMap((worker) => {
        const state = stateOf(worker, name);
        return CONNECTED.has(state) ? [] : [`${state} in worker ${worker.number}`];
      });
      return where.length === 0 ? [] : [`volume ${name}: ${where.join(', ')}`];
    });
  const lines = [...silent, ...missing];
  return lines.length === 0
    ? { ready: true, text: 'ready' }
    : { ready: false, text: lines.join('\n') };
}

function stateOf({ samples }: WorkerFigures, volume: string): string {
  const found = samples.find(
    ({ name, labels, value }) => name === volumes.state.name && labels[0] === volume && value === 1,
  );
  return found?.labels[1] ?? 'not reported';
}

/** Whether a worker is connected to a volume, by what it said last. */
export const isConnected = (worker: WorkerFigures, volume: string): boolean =>
  CONNECTED.has(stateOf(worker, volume));
