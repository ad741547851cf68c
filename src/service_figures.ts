/** What the supervisor's metrics page shows: its workers' figures, asked for anew, and its own. */
import type { Config } from './config/types.js';
import type { Exposition, Page } from './observe/exposition.js';
import type { Ledger } from './observe/ledger.js';
import { type Sample, sample, workers } from './observe/metrics.js';
import { processFiles } from './observe/process_files.js';
import { readiness } from './readiness.js';

export interface ServiceSources {
  readonly config: () => Config;
  readonly ledger: Ledger;
  /** Has every worker report; within a second. */
  readonly measure: () => Promise<unknown>;
  readonly version: string;
}

/** Makes the page in the form that an Accept header wants. */
export function metricsPage(
  sources: ServiceSources,
): (accept: string | undefined) => Promise<Page> {
  let exposition: Promise<Exposition> | null = null;
  return async (accept) => {
    // At the first scrape: loading prom-client takes a tenth of a second, which no start has to wait for.
    exposition ??= import('./observe/exposition.js').then(
      (module) => new module.Exposition(() => serviceSamples(sources)),
    );
    return (await exposition).page(accept);
  };
}

async function serviceSamples(sources: ServiceSources): Promise<readonly Sample[]> {
  const { ledger, measure, version } = sources;
  await measure();
  const files = await Promise.all(
    ledger.workers.map(({ number, pid }) => fileSamples(number, pid)),
  );
  const config = sources.config();
  const { ready } = readiness(config.volumes, ledger.workers);
  return [
    ...ledger.samples(),
    ...files.flat(),
    sample(workers.configured, [], config.server.workers),
    sample(workers.ready, [], ready ? 1 : 0),
    sample(workers.build, [version, process.version], 1),
  ];
}

async function fileSamples(number: number, pid: number | null): Promise<Sample[]> {
  const files = pid === null ? null : await processFiles(pid);
  if (!files) return [];
  return [
    sample(workers.openFiles, [String(number)], files.open),
    sample(workers.mostFiles, [String(number)], files.most),
  ];
}
