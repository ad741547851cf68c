/** Every metric of ours once: its name, kind, labels and meaning. docs/metrics.md lists them; a test keeps it so. */
import { CELLS } from './histogram.js';

export interface Metric<L extends readonly string[] = readonly string[]> {
  readonly name: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly labels: L;
  /** One sentence without its full stop. */
  readonly help: string;
  /** What becomes of the same series of several workers. Of counters and histograms it is always the sum. */
  readonly merge: 'sum' | 'min' | 'max';
}

/** One series of a metric, as it travels from a worker to the supervisor. */
export interface Sample {
  readonly name: string;
  /** Values, in the order of the metric's labels. */
  readonly labels: readonly string[];
  /** Of a histogram: its cells. */
  readonly value: number | readonly number[];
}

type Define = <const L extends readonly string[]>(
  name: string,
  labels: L,
  help: string,
  merge?: Metric['merge'],
) => Metric<L>;

const define =
  (kind: Metric['kind']): Define =>
  (name, labels, help, merge = 'sum') => ({ name: `gfserve_${name}`, kind, labels, help, merge });

const counter = define('counter');
const gauge = define('gauge');
const histogram = define('histogram');

/** Requests, by mount; `-` is what no mount was found for. */
export const http = {
  requests: counter(
    'http_requests_total',
    ['mount', 'method', 'status'],
    'Requests that have ended, 499 being those whose client went away before the answer began',
  ),
  firstByte: histogram(
    'http_first_byte_seconds',
    ['mount', 'outcome'],
    'From a request to the first byte of its answer',
  ),
  duration: histogram(
    'http_request_duration_seconds',
    ['mount'],
    'From a request to its end, which is when the kernel has taken the last byte or the client has gone',
  ),
  bytes: counter('http_response_body_bytes_total', ['mount'], 'Bytes of bodies that were sent'),
  cut: counter(
    'http_incomplete_responses_total',
    ['mount'],
    'Answers that ended before their last byte, by the client, a failure or a timeout',
  ),
  active: gauge('http_active_requests', [], 'Requests that are under way'),
  connections: gauge('http_connections', [], 'Open client connections, idle ones too'),
  accepted: counter('http_accepted_connections_total', [], 'Client connections that were opened'),
} as const;

/** Volumes. Every worker has a connection of its own to each. */
export const volumes = {
  state: gauge('volume_state', ['volume', 'state'], 'Workers in which the volume is in this state'),
  brickUp: gauge(
    'brick_up',
    ['volume', 'brick'],
    'Whether every worker is connected to the brick',
    'min',
  ),
  threads: gauge('volume_threads', ['volume'], 'Threads that run jobs, spare ones included'),
  busy: gauge('volume_threads_busy', ['volume'], 'Threads that are inside a call of libgfapi'),
  stuck: gauge(
    'volume_threads_stuck',
    ['volume'],
    'Threads that have been inside one call for longer than request-timeout',
  ),
  queued: gauge('volume_jobs_queued', ['volume'], 'Jobs that wait for a thread'),
  jobs: histogram(
    'volume_job_duration_seconds',
    ['volume', 'operation'],
    'Jobs that have come back, from their submission on, so with their wait for a thread',
  ),
  errors: counter(
    'volume_errors_total',
    ['volume', 'code'],
    'Calls that the volume could not answer, by the reason',
  ),
  handles: gauge('volume_handles', ['volume'], 'Objects of libgfapi that are held'),
  openFiles: gauge('volume_open_files', ['volume'], 'Files and folders that are open'),
} as const;

/** The memory cache. */
export const cache = {
  lookups: counter(
    'cache_lookups_total',
    ['volume', 'result'],
    'Answers from memory (hit, stale), and looks at the volume that brought something (miss) or nothing new (revalidated)',
  ),
  invalidations: counter(
    'cache_invalidations_total',
    ['volume'],
    'What bricks said of objects that the cache rests on',
  ),
  unannounced: counter(
    'cache_unannounced_changes_total',
    ['volume'],
    'Changes that a look found and no brick had told of',
  ),
  names: gauge(
    'cache_names',
    ['volume'],
    'Names that are held, of what is there and of what is not',
  ),
  bytes: gauge('cache_bytes', [], 'Memory that is taken'),
  limit: gauge('cache_limit_bytes', [], 'Memory that may be taken'),
  blockBytes: gauge('cache_block_bytes', [], 'The part of it for parts of large files'),
  entries: gauge('cache_entries', [], 'Names, files and parts of large files that are held'),
  evictions: counter('cache_evictions_total', [], 'Entries that were given up to make room'),
  compressions: counter(
    'cache_compressions_total',
    ['result'],
    'Files that were compressed (made), and those that would hardly have become smaller (refused)',
  ),
} as const;

/** Processes. The supervisor has prom-client's own metrics besides. */
export const workers = {
  workers: gauge('workers', ['state'], 'Worker processes'),
  configured: gauge('workers_configured', [], 'Worker processes that there should be'),
  restarts: counter(
    'worker_restarts_total',
    ['worker'],
    'Workers that were started in the place of one that died',
  ),
  renewals: counter(
    'worker_renewals_total',
    [],
    'Times that all workers were exchanged, as libgfapi had kept memory of connections that had ended',
  ),
  silence: gauge(
    'worker_report_age_seconds',
    ['worker'],
    'How old the figures of the worker are, near 0 unless it does not answer',
    'max',
  ),
  started: gauge('worker_start_time_seconds', ['worker'], 'When it was started, since 1970', 'max'),
  cpu: counter('worker_cpu_seconds_total', ['worker'], 'Processor time, of its threads too'),
  rss: gauge('worker_resident_memory_bytes', ['worker'], 'Resident memory'),
  heap: gauge('worker_heap_used_bytes', ['worker'], 'JavaScript objects'),
  external: gauge(
    'worker_external_memory_bytes',
    ['worker'],
    'Memory that JavaScript objects hold outside the heap, such as cached files',
  ),
  blocks: gauge(
    'worker_read_buffer_bytes',
    ['worker'],
    'Memory for what is being read from volumes',
  ),
  loopBusy: counter(
    'worker_event_loop_busy_seconds_total',
    ['worker'],
    'Time in which the event loop was not waiting',
  ),
  loopLag: gauge(
    'worker_event_loop_lag_seconds',
    ['worker'],
    'The longest that the event loop was late within the last 30 to 60 s',
    'max',
  ),
  openFiles: gauge('worker_open_fds', ['worker'], 'Open file descriptors'),
  mostFiles: gauge('worker_max_fds', ['worker'], 'File descriptors that it may open', 'min'),
  linesLost: counter(
    'access_log_lost_lines_total',
    ['worker'],
    'Lines of the access log that could not be written, as on a full disk',
  ),
  ready: gauge('ready', [], 'Whether /readyz says yes'),
  build: gauge('build_info', ['version', 'node_version'], 'Always 1'),
} as const;

/** In the order in which they are shown. */
export const catalogue: readonly Metric[] = [http, volumes, cache, workers].flatMap((group) =>
  Object.values<Metric>(group),
);

const byName: ReadonlyMap<string, Metric> = new Map(
  catalogue.map((metric) => [metric.name, metric]),
);

export const metricOf = (name: string): Metric | undefined => byName.get(name);

/** One text for each label, in their order. */
type Texts<L extends readonly string[]> = { readonly [I in keyof L]: string };

export function sample<L extends readonly string[]>(
  { name }: Metric<L>,
  labels: Texts<L>,
  value: Sample['value'],
): Sample {
  return { name, labels, value };
}

const isNumber = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value);

/** Whether it is one series of a metric of ours. */
export function isSample(value: unknown): value is Sample {
  if (typeof value !== 'object' || value === null) return false;
  const { name, labels, value: amount }: { [Key in keyof Sample]?: unknown } = value;
  const metric = typeof name === 'string' ? byName.get(name) : undefined;
  if (!metric || !Array.isArray(labels) || labels.length !== metric.labels.length) return false;
  if (!labels.every((label) => typeof label === 'string')) return false;
  if (metric.kind !== 'histogram') return isNumber(amount);
  return Array.isArray(amount) && amount.length === CELLS && amount.every(isNumber);
}
