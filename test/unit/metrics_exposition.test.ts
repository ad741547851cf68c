/** The page for Prometheus, in both of its forms, and what documents it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { Exposition, formFor } from '../../src/observe/exposition.js';
import { Histogram } from '../../src/observe/histogram.js';
import {
  catalogue,
  http,
  isSample,
  type Sample,
  sample,
  workers,
} from '../../src/observe/metrics.js';

const TEXT = 'text/plain; version=0.0.4; charset=utf-8';
const OPEN = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

/** Tests run from dist/test/unit. */
const read = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../${name}`, import.meta.url)), 'utf8');

test.each<[string, string | undefined, string]>([
  ['nothing', undefined, TEXT],
  ['an empty header', '', TEXT],
  ['curl', '*/*', TEXT],
  [
    'Prometheus 2',
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
    OPEN,
  ],
  [
    'Prometheus 3',
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
    TEXT,
  ],
  ['a browser', 'text/html,application/xhtml+xml,*/*;q=0.8', TEXT],
  ['OpenMetrics of any version', 'application/openmetrics-text', OPEN],
  ['OpenMetrics of another version', 'application/openmetrics-text;version=2.0.0', TEXT],
  ['OpenMetrics refused', 'application/openmetrics-text;q=0, text/plain', TEXT],
  ['text preferred', 'application/openmetrics-text;version=1.0.0;q=0.5, text/plain', TEXT],
  ['OpenMetrics preferred', 'application/openmetrics-text;version=1.0.0, text/plain;q=0.9', OPEN],
  ['neither', 'image/png', TEXT],
  ['no header at all, but bytes', '\u0000;;q=,,=', TEXT],
])('%s gets its form', (_, accept, expected) => {
  expect(formFor(accept)).toBe(expected);
});

const times = new Histogram();
times.observe(0.05);
times.observe(60);

const SAMPLES: readonly Sample[] = [
  sample(http.requests, ['main', 'GET', '200'], 12),
  sample(http.requests, ['-', 'other', '405'], 1),
  sample(http.duration, ['main'], times.cells()),
  sample(workers.build, ['1.2.3', 'v20'], 1),
];

const openedBy = (gather: () => Promise<readonly Sample[]>): Exposition => new Exposition(gather);

describe('a page', () => {
  const exposition = openedBy(async () => SAMPLES);

  test('as text', async () => {
    const { type, body } = await exposition.page(undefined);
    expect(type).toBe(TEXT);
    expect(body).toContain('# TYPE gfserve_http_requests_total counter\n');
    expect(body).toContain(
      'gfserve_http_requests_total{mount="main",method="GET",status="200"} 12\n',
    );
    expect(body).toContain(
      'gfserve_http_requests_total{mount="-",method="other",status="405"} 1\n',
    );
    expect(body).toContain('gfserve_build_info{version="1.2.3",node_version="v20"} 1\n');
    expect(body).not.toContain('# EOF');
  });

  test('a histogram is cumulative, with sum and count', async () => {
    const { body } = await exposition.page(undefined);
    const row = (suffix: string): string | undefined =>
      body
        .split('\n')
        .find((line) => line.startsWith(`gfserve_http_request_duration_seconds${suffix}`));
    expect(row('_bucket{le="0.0001"')).toMatch(/mount="main"} 1$/);
    expect(row('_bucket{le="0.05"')).toMatch(/ 1$/);
    expect(row('_bucket{le="0.1"')).toMatch(/ 2$/);
    expect(row('_bucket{le="+Inf"')).toMatch(/ 2$/);
    expect(row('_count')).toMatch(/_count\{mount="main"} 2$/);
    expect(row('_sum')).toMatch(/ 0\.06005$/);
  });

  test('as OpenMetrics', async () => {
    const { type, body } = await exposition.page('application/openmetrics-text');
    expect(type).toBe(OPEN);
    expect(body).toContain('# TYPE gfserve_http_requests counter\n');
    expect(body).toContain(
      'gfserve_http_requests_total{mount="main",method="GET",status="200"} 12\n',
    );
    expect(body).not.toContain('_total_total');
    expect(body.endsWith('\n# EOF\n')).toBe(true);
  });

  test('one form after the other, and both at once', async () => {
    const forms = [
      undefined,
      'application/openmetrics-text',
      undefined,
      'application/openmetrics-text',
    ];
    const pages = await Promise.all(forms.map((accept) => exposition.page(accept)));
    for (const [index, { body }] of pages.entries()) {
      expect(body.includes('# EOF')).toBe(forms[index] !== undefined);
      expect(body.includes('# TYPE gfserve_http_requests_total counter')).toBe(
        forms[index] === undefined,
      );
    }
  });
});

test('what is gone from the samples is gone from the page', async () => {
  let samples = SAMPLES;
  const exposition = openedBy(async () => samples);
  expect((await exposition.page(undefined)).body).toContain('mount="main"');
  samples = [];
  expect((await exposition.page(undefined)).body).not.toContain('mount="main"');
});

test('samples are gathered once for all who ask meanwhile, and anew for who asks later', async () => {
  let calls = 0;
  let under = 0;
  let most = 0;
  const exposition = openedBy(async () => {
    calls += 1;
    under += 1;
    most = Math.max(most, under);
    await new Promise((resolve) => setTimeout(resolve, 20));
    under -= 1;
    return [];
  });
  await Promise.all(Array.from({ length: 20 }, () => exposition.page(undefined)));
  expect([calls, most]).toEqual([1, 1]);
  await exposition.page(undefined);
  expect(calls).toBe(2);
});

test('after a gathering that failed the next one is tried', async () => {
  let fails = true;
  const exposition = openedBy(async () => {
    if (fails) throw new Error('no');
    return SAMPLES;
  });
  await expect(exposition.page(undefined)).rejects.toThrow('no');
  fails = false;
  expect((await exposition.page(undefined)).body).toContain('mount="main"');
});

describe('samples from elsewhere', () => {
  const cells = times.cells();
  test.each<[string, unknown, boolean]>([
    ['a counter', { name: http.requests.name, labels: ['m', 'GET', '200'], value: 1 }, true],
    ['a histogram', { name: http.duration.name, labels: ['m'], value: cells }, true],
    ['null', null, false],
    ['a text', 'x', false],
    ['an unknown metric', { name: 'gfserve_x', labels: [], value: 1 }, false],
    ['no name', { labels: [], value: 1 }, false],
    ['too few labels', { name: http.requests.name, labels: ['m', 'GET'], value: 1 }, false],
    [
      'labels that are none',
      { name: http.requests.name, labels: ['m', 'GET', 200], value: 1 },
      false,
    ],
    ['labels that are no list', { name: http.active.name, labels: {}, value: 1 }, false],
    ['a text for a number', { name: http.active.name, labels: [], value: '1' }, false],
    ['no number', { name: http.active.name, labels: [], value: Number.NaN }, false],
    ['cells for a number', { name: http.active.name, labels: [], value: cells }, false],
    ['a number for cells', { name: http.duration.name, labels: ['m'], value: 1 }, false],
    ['too few cells', { name: http.duration.name, labels: ['m'], value: cells.slice(1) }, false],
    [
      'cells with a hole',
      { name: http.duration.name, labels: ['m'], value: cells.map(() => null) },
      false,
    ],
  ])('%s', (_, value, expected) => {
    expect(isSample(value)).toBe(expected);
  });
});

describe('the names', () => {
  test.each(catalogue.map((metric) => [metric.name, metric] as const))('%s', (name, metric) => {
    expect(name).toMatch(/^gfserve_[a-z]+(_[a-z]+)*$/);
    expect(name.endsWith('_total')).toBe(metric.kind === 'counter');
    if (metric.kind === 'histogram') expect(name).toMatch(/_seconds$/);
    // Prometheus has these for itself.
    for (const label of metric.labels)
      expect(label).not.toMatch(/^(job|instance|le|quantile|__.*)$/);
    expect(metric.help).toMatch(/^[A-Z/].*[^.]$/);
  });

  test('are each used once', () => {
    // Of OpenMetrics' families: there a counter is called without its `_total`.
    const families = catalogue.map(({ name }) => name.replace(/_total$/, ''));
    expect(new Set(families).size).toBe(catalogue.length);
  });
});

describe('docs/metrics.md', () => {
  const rows = read('docs/metrics.md')
    .split('\n')
    .flatMap((line) => {
      const [, name, kind, labels] =
        /^\| `([a-z0-9_]+)` \| (counter|gauge|histogram) \|([^|]*)\|/.exec(line) ?? [];
      return name ? [{ name, kind, labels: labels?.trim() }] : [];
    });

  test('lists exactly the metrics that there are', () => {
    expect(rows.map(({ name }) => name).sort()).toEqual([...openedBy(async () => []).names].sort());
  });

  test.each(catalogue.map((metric) => [metric.name, metric] as const))(
    'says the kind and the labels of %s',
    (name, { kind, labels }) => {
      const shown = labels.length === 0 ? '' : labels.map((label) => `\`${label}\``).join(', ');
      expect(rows.find((row) => row.name === name)).toEqual({ name, kind, labels: shown });
    },
  );
});

describe('what comes with it uses metrics that there are', () => {
  const known = new Set(
    openedBy(async () => []).names.flatMap((name) => [
      name,
      ...['_bucket', '_sum', '_count'].map((suffix) => `${name}${suffix}`),
    ]),
  );
  test.each([
    'conf/alerts.yml',
    'conf/alerts.test.yml',
    'conf/grafana-dashboard.json',
    'docs/operations.md',
  ])('%s', (file) => {
    const used = read(file).match(/\b(?:gfserve|nodejs|process)_[a-z_]+\b/g) ?? [];
    expect(used.length).toBeGreaterThan(0);
    expect(used.filter((name) => !known.has(name))).toEqual([]);
  });

  test('the dashboard is JSON, and its panels do not overlap', () => {
    const { panels } = JSON.parse(read('conf/grafana-dashboard.json')) as {
      panels: { title: string; gridPos: { x: number; y: number; w: number; h: number } }[];
    };
    const taken = new Map<string, string>();
    for (const { title, gridPos } of panels) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect([title, taken.get(`${x},${y}`)]).toEqual([title, undefined]);
          taken.set(`${x},${y}`, title);
        }
      }
    }
  });
});
