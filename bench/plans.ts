/** The plans that the scenarios are made of. */
import { type DataFile, type Dataset, firstOf, type Part, pathOf } from './dataset/parts.js';
import type { Plan, PlannedRequest } from './load/plan.js';
import { even, scaled, scattered, zipf } from './load/weights.js';

const ABSENT = 1000;
/** As many of the small files are asked for conditionally, by those who have been there before. */
const KNOWN = 200;
/** Popular windows lie far apart. Coprime to their number, which is 1023. */
const WINDOW_STEP = 389;

/** A request each, by its weight. */
function weighted<T>(
  items: readonly T[],
  weights: readonly number[],
  request: (item: T, weight: number) => PlannedRequest,
): readonly PlannedRequest[] {
  return items.map((item, index) => request(item, weights[index] ?? 0));
}

const whole = (file: DataFile, weight: number): PlannedRequest => ({ kind: 'whole', file, weight });
const unchanged = (file: DataFile, weight: number): PlannedRequest => ({
  ...{ kind: 'unchanged', file, weight },
});
const absent = (path: string, weight: number): PlannedRequest => ({
  ...{ kind: 'absent', path, weight },
});

/** Names that aren't there, in a folder that is. */
function absentPaths(part: Part): readonly string[] {
  const folder = pathOf(part, 0).replace(/[^/]*$/, '');
  return Array.from({ length: ABSENT }, (_, index) => `${folder}absent-${index}.bin`);
}

/** All files of a part, one as often as another. */
export function wholePlan(dataset: Dataset, part: Part): Plan {
  const files = dataset[part];
  return { name: part, requests: weighted(files, even(files.length), whole) };
}

export function unchangedPlan(dataset: Dataset, part: Part): Plan {
  return { name: `${part}-unchanged`, requests: [unchanged(firstOf(dataset, part), 1)] };
}

export function absentPlan(part: Part): Plan {
  const paths = absentPaths(part);
  return { name: `${part}-absent`, requests: weighted(paths, even(paths.length), absent) };
}

/** Windows of the video: by Zipf's law, the popular ones scattered over the file. */
export function videoPlan(dataset: Dataset): Plan {
  const file = firstOf(dataset, 'video');
  const windows = scattered(file.windows, WINDOW_STEP);
  const requests = weighted(windows, zipf(windows.length), (part, weight) => ({
    ...{ kind: 'part', file, part, weight },
  }));
  return { name: 'video', requests };
}

/** A site: pages and images by Zipf's law, a few large files, links that lead nowhere, visitors who come back. */
export function sitePlan(dataset: Dataset): Plan {
  const { small, medium, big } = dataset;
  const known = small.slice(0, KNOWN);
  const paths = absentPaths('small');
  const requests = [
    ...weighted(small, scaled(zipf(small.length), 0.7), whole),
    ...weighted(medium, scaled(zipf(medium.length), 0.13), whole),
    ...weighted(big, scaled(even(big.length), 0.02), whole),
    ...weighted(paths, scaled(even(paths.length), 0.05), absent),
    ...weighted(known, scaled(zipf(known.length), 0.1), unchanged),
  ];
  return { name: 'site', requests };
}
