/** A status as a busy gfserve with a volume that is down might tell it. */
import { History, momentOf } from '../../src/status/history.js';
import type { StatusReport } from '../../src/status/report.js';
import { read } from '../../src/status/totals.js';

export const AT_MS = Date.parse('2026-11-27T12:00:00.000Z');

const since = (seconds: number): string => new Date(AT_MS - seconds * 1000).toISOString();

/** `name` is part of every text that is not gfserve's own. */
export function statusReport(name = 'site', changes: Partial<StatusReport> = {}): StatusReport {
  const history = new History(momentOf(read([]), 0, AT_MS)).columns();
  return {
    version: '1.2.3',
    pid: 4711,
    uptimeMs: 7_500_000,
    restarts: 1,
    generation: 2,
    reloads: { applied: 1, failed: 0, underWay: false, last: null },
    workers: [],
    retiring: [],
    at: new Date(AT_MS).toISOString(),
    host: `host-${name}`,
    nodeVersion: 'v20.0.0',
    ready: false,
    missing: [`volume ${name}: down in worker 1`],
    workersConfigured: 2,
    workersReady: 2,
    requests: {
      total: 1_234_567,
      perSecond: 412.5,
      active: 3,
      classes: {
        '2xx': { total: 1_200_000, perSecond: 400 },
        '3xx': { total: 30_000, perSecond: 10 },
        '4xx': { total: 4_000, perSecond: 2 },
        '5xx': { total: 567, perSecond: 0.5 },
        other: { total: 0, perSecond: 0 },
      },
      firstByte: { p50Ms: 0.12, p99Ms: 45.6 },
      bytes: 9_876_543_210,
      bytesPerSecond: 3_200_000,
      incomplete: 2,
    },
    connections: { open: 17, accepted: 900 },
    cache: { bytes: 1e8, limitBytes: 2.5e8, entries: 1234, evictions: 5, hitRatio: 0.97 },
    volumes: [
      {
        name,
        required: true,
        state: 'down',
        since: since(61),
        workers: { down: 2 },
        bricks: [
          { text: `node1:/${name}/brick-0`, up: true, since: since(600) },
          { text: `node2:/${name}/brick-1`, up: false, since: since(61) },
        ],
        threads: 16,
        busy: 2,
        stuck: 1,
        queued: 7,
        jobs: [{ operation: 'open', perSecond: 12, p50Ms: 3, p99Ms: 250 }],
        errors: { timeout: 4 },
      },
    ],
    mounts: [
      {
        name: `mount-${name}`,
        total: 1_234_567,
        perSecond: 412.5,
        bytesPerSecond: 3_200_000,
        failed: 30,
        p50Ms: 0.12,
        p99Ms: null,
      },
    ],
    processes: [
      {
        number: 1,
        pid: 4712,
        state: 'ready',
        uptimeMs: 7_499_000,
        busy: 0.42,
        memoryBytes: 150_000_000,
        connections: 9,
      },
      {
        number: 2,
        pid: null,
        state: 'starting',
        uptimeMs: null,
        busy: null,
        memoryBytes: null,
        connections: 0,
      },
    ],
    history,
    events: [{ at: since(61), kind: 'volume', tone: 'bad', text: `volume ${name} is down` }],
    ...changes,
  };
}
