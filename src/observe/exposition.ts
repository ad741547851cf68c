/** The page that Prometheus reads: what the ledger has, put into a prom-client registry and rendered by that. */
import Negotiator from 'negotiator';
import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  Registry,
  type RegistryContentType,
} from 'prom-client';
import { singleFlight } from '../single_flight.js';
import { BOUNDS } from './histogram.js';
import { catalogue, type Metric, type Sample } from './metrics.js';

const TEXT = Registry.PROMETHEUS_CONTENT_TYPE;
const OPEN_METRICS = Registry.OPENMETRICS_CONTENT_TYPE;

/** What is shown where the client likes both equally comes first. Clients name a version, seldom a charset. */
const TYPES: ReadonlyMap<string, RegistryContentType> = new Map([
  ['text/plain; version=0.0.4', TEXT],
  ['application/openmetrics-text; version=1.0.0', OPEN_METRICS],
]);

/** Which form an Accept header wants; whoever wants neither gets the text, as it can be read by people too. */
export function formFor(accept: string | undefined): RegistryContentType {
  const negotiator = new Negotiator({ headers: accept === undefined ? {} : { accept } });
  return TYPES.get(negotiator.mediaType([...TYPES.keys()]) ?? '') ?? TEXT;
}

/** prom-client's gauges whose names end as counters' do, of which promtool complains. Each says what another one does. */
const MISNAMED = [
  'nodejs_active_resources_total',
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
];

export interface Page {
  readonly type: string;
  readonly body: string;
}

export class Exposition {
  readonly #registry = new Registry<RegistryContentType>();
  /** By metric. */
  #samples: ReadonlyMap<string, readonly Sample[]> = new Map();
  readonly #collect: () => Promise<void>;
  readonly #names: ReadonlyMap<{ name: string }, string>;
  /** Renderings follow one another: the registry has one form at a time. */
  #last: Promise<unknown> = Promise.resolve();

  /** `gather` brings all samples. It is called at most once at a time, however many ask. */
  constructor(gather: () => Promise<readonly Sample[]>) {
    this.#collect = singleFlight(async () => {
      this.#samples = byMetric(await gather());
    });
    for (const metric of catalogue) this.#register(metric);
    collectDefaultMetrics({ register: this.#registry });
    for (const name of MISNAMED) this.#registry.removeSingleMetric(name);
    const all = this.#registry.getMetricsAsArray();
    this.#names = new Map(all.map((metric) => [metric, metric.name]));
  }

  /** Every metric that the page can have. */
  get names(): readonly string[] {
    return [...this.#names.values()];
  }

  async page(accept: string | undefined): Promise<Page> {
    await this.#collect();
    const type = formFor(accept);
    const body = this.#last.then(() => this.#render(type));
    this.#last = body.catch(() => undefined);
    return { type, body: await body };
  }

  async #render(type: RegistryContentType): Promise<string> {
    this.#registry.setContentType(type);
    try {
      return await this.#registry.metrics();
    } finally {
      // For OpenMetrics, prom-client cuts `_total` off the counters' names, and leaves it at that.
      for (const [metric, name] of this.#names) metric.name = name;
    }
  }

  #register(metric: Metric): void {
    const { name, help, labels } = metric;
    const samples = (): readonly Sample[] => this.#samples.get(name) ?? [];
    const config = { name, help, labelNames: [...labels], registers: [] };
    switch (metric.kind) {
      case 'counter': {
        const collect = function (this: Counter): void {
          this.reset();
          for (const each of samples()) this.inc(labelled(metric, each), numberOf(each));
        };
        this.#registry.registerMetric(new Counter({ ...config, collect }));
        return;
      }
      case 'gauge': {
        const collect = function (this: Gauge): void {
          this.reset();
          for (const each of samples()) this.set(labelled(metric, each), numberOf(each));
        };
        this.#registry.registerMetric(new Gauge({ ...config, collect }));
        return;
      }
      case 'histogram':
        this.#registry.registerMetric(new CountedHistogram(metric, samples));
        return;
      default:
        metric.kind satisfies never;
    }
  }
}

/** One whose observations were made elsewhere: prom-client's own can only be told of each. */
class CountedHistogram extends Histogram {
  constructor(
    private readonly metric: Metric,
    private readonly samples: () => readonly Sample[],
  ) {
    const { name, help, labels } = metric;
    super({ name, help, labelNames: [...labels], buckets: [...BOUNDS], registers: [] });
  }

  /** What prom-client renders from: not in its types. */
  async getForPromString(): Promise<object> {
    const { name, help } = this.metric;
    return {
      name,
      help,
      type: 'histogram',
      values: this.samples().flatMap((each) => this.#rows(each)),
    };
  }

  #rows({ labels, value }: Sample): object[] {
    if (typeof value === 'number') throw new Error(`${this.metric.name} is a histogram`);
    const bucket = `${this.metric.name}_bucket`;
    const sharedLabels = labelled(this.metric, { labels });
    let count = 0;
    const rows: object[] = [];
    for (const [index, le] of [...BOUNDS, '+Inf'].entries()) {
      count += value[index] ?? 0;
      rows.push({ metricName: bucket, labels: { le }, sharedLabels, value: count });
    }
    const sum = value.at(-1) ?? 0;
    rows.push({ metricName: `${this.metric.name}_sum`, labels: {}, sharedLabels, value: sum });
    rows.push({ metricName: `${this.metric.name}_count`, labels: {}, sharedLabels, value: count });
    return rows;
  }
}

function byMetric(samples: readonly Sample[]): Map<string, Sample[]> {
  const groups = new Map<string, Sample[]>();
  for (const each of samples) {
    const group = groups.get(each.name);
    if (group) group.push(each);
    else groups.set(each.name, [each]);
  }
  return groups;
}

function labelled(metric: Metric, { labels }: Pick<Sample, 'labels'>): Record<string, string> {
  return Object.fromEntries(metric.labels.map((name, index) => [name, labels[index] ?? '']));
}

function numberOf({ name, value }: Sample): number {
  if (typeof value !== 'number') throw new Error(`${name} is no histogram`);
  return value;
}
