/** What a worker counts of the requests of one mount. Plain numbers: nothing else may be spent on a request from memory. */
import { addCells, CELLS, Histogram } from './histogram.js';
import { http, type Sample, sample } from './metrics.js';

const METHODS: readonly string[] = ['GET', 'HEAD', 'OPTIONS', 'other'];
const OTHER_METHOD = METHODS.indexOf('other');

/** Those that are answered; the first stands for any other. */
const STATUSES = [
  ...['other', '200', '204', '206', '301', '302', '303', '304', '307', '308', '400', '403', '404'],
  ...['405', '412', '414', '416', '499', '500', '503', '504'],
] as const;
/** A status's place there. */
const PLACE_OF_STATUS = new Uint8Array(600);
for (const [place, status] of STATUSES.entries()) {
  if (status !== 'other') PLACE_OF_STATUS[Number(status)] = place;
}

/** Shown from the start: of a series that begins with its first event, Prometheus does not see that event. */
const EXPECTED = new Set(['200', '304', '404', '500', '503', '504']);

/** How an answer came about: the four of the cache; `bypass`: from the volume without the cache; `none`: neither was asked. */
export type CacheOutcome = 'hit' | 'miss' | 'revalidated' | 'stale' | 'bypass' | 'none';

/** The same; `error`: it has a status of 500 or more. */
export type RequestOutcome = CacheOutcome | 'error';

const OUTCOMES: readonly RequestOutcome[] = [
  'hit',
  'miss',
  'revalidated',
  'stale',
  'bypass',
  'none',
  'error',
];

/** Requests that took the short way: each of them a hit, answered within its handler. */
export class HotCounters {
  /** What native code adds to as well (addon/quick_table.cc): the first three of what follows, then the histogram. */
  readonly cells = new Float64Array(3 + CELLS);
  readonly durations = new Histogram(this.cells.subarray(3));

  /** GETs that were answered with 200. */
  get whole(): number {
    return this.cells[0] ?? 0;
  }

  /** GETs that were answered with 304. */
  get notModified(): number {
    return this.cells[1] ?? 0;
  }

  /** Of bodies. */
  get bytes(): number {
    return this.cells[2] ?? 0;
  }

  /** `bytes`: of its body. */
  sentWhole(bytes: number, durationMs: number): void {
    this.cells[0] = this.whole + 1;
    this.cells[2] = this.bytes + bytes;
    this.durations.observe(durationMs);
  }

  sentNotModified(durationMs: number): void {
    this.cells[1] = this.notModified + 1;
    this.durations.observe(durationMs);
  }
}

/** A request that has ended. */
export interface EndedRequest {
  /** As sent. */
  readonly method: string;
  readonly status: number;
  readonly outcome: RequestOutcome;
  /** Bytes of its body that were sent. */
  readonly bytes: number;
  /** All of its answer was sent. One that never began is not counted as cut. */
  readonly complete: boolean;
  /** From its arrival to the first byte of its answer; null: there was none. Milliseconds. */
  readonly firstByteMs: number | null;
  /** To its end. Milliseconds. */
  readonly durationMs: number;
}

export class MountCounters {
  readonly hot = new HotCounters();
  readonly #requests = new Float64Array(METHODS.length * STATUSES.length);
  readonly #firstByte = new Map<RequestOutcome, Histogram>();
  readonly #durations = new Histogram();
  #bytes = 0;
  #cut = 0;

  /** `mount`: the name of its section. */
  constructor(private readonly mount: string) {
    for (const outcome of OUTCOMES) this.#firstByte.set(outcome, new Histogram());
  }

  ended(request: EndedRequest): void {
    const { status, outcome, bytes, complete, firstByteMs, durationMs } = request;
    const method = METHODS.indexOf(request.method);
    this.#count(method < 0 ? OTHER_METHOD : method, PLACE_OF_STATUS[status] ?? 0);
    if (firstByteMs !== null) this.#firstByte.get(outcome)?.observe(firstByteMs);
    this.#durations.observe(durationMs);
    this.#bytes += bytes;
    if (!complete && firstByteMs !== null) this.#cut += 1;
  }

  samples(): Sample[] {
    const { mount, hot } = this;
    return [
      ...this.#requestSamples(),
      ...this.#firstByteSamples(),
      sample(http.duration, [mount], addCells(this.#durations.cells(), hot.durations.cells())),
      sample(http.bytes, [mount], this.#bytes + hot.bytes),
      sample(http.cut, [mount], this.#cut),
    ];
  }

  #count(method: number, status: number): void {
    const cell = method * STATUSES.length + status;
    this.#requests[cell] = (this.#requests[cell] ?? 0) + 1;
  }

  #requestSamples(): Sample[] {
    const { whole, notModified } = this.hot;
    const hot = new Map([
      ['200', whole],
      ['304', notModified],
    ]);
    return METHODS.flatMap((method, row) =>
      STATUSES.flatMap((status, column) => {
        const isGet = method === 'GET';
        const count =
          (this.#requests[row * STATUSES.length + column] ?? 0) +
          (isGet ? (hot.get(status) ?? 0) : 0);
        const shown = count > 0 || (isGet && EXPECTED.has(status));
        return shown ? [sample(http.requests, [this.mount, method, status], count)] : [];
      }),
    );
  }

  #firstByteSamples(): Sample[] {
    return [...this.#firstByte].flatMap(([outcome, times]) => {
      const cells =
        outcome === 'hit' ? addCells(times.cells(), this.hot.durations.cells()) : times.cells();
      const shown = cells.some((cell) => cell > 0);
      return shown ? [sample(http.firstByte, [this.mount, outcome], cells)] : [];
    });
  }
}
