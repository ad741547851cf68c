/** /metrics and /readyz of a real gfserve, as a real Prometheus sees them. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, truncate, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { catalogue } from '../../src/observe/metrics.js';
import { abortAfter, get } from '../support/client.js';
import { Cluster } from '../support/cluster/cluster.js';
import { CountedLoad, type Question } from '../support/counted_load.js';
import { Gfserve, until } from '../support/gfserve.js';
import { conf, type Point, Prometheus, promtool } from '../support/prometheus.js';

const LOAD_MS = 20_000;
const CLIENTS = 12;
const MIB = 1 << 20;
/** More than the kernel takes off gfserve's hands when the client takes nothing. */
const HUGE = 64 * MIB;

let cluster: Cluster;
let server: Gfserve;
let prometheus: Prometheus;
let etag: string;

/** Nothing listens there. */
const GONE = '[volume gone]\nservers = 127.0.0.1:1\n';

const config = (servers: string): string => `
[cache]
valid = 2s
[volume site]
servers = ${servers}
${GONE}required = no
[mount main]
path = /
volume = site
redirect[] = ^/old/ /new/ 301
[mount list]
path = /list
volume = site
root = /folder
autoindex = json
[mount gone]
path = /gone
volume = gone
`;

beforeAll(async () => {
  cluster = await Cluster.up({ dir: await mkdtemp(join(tmpdir(), 'gfserve-metrics-')), nodes: 1 });
  await cluster.createVolume('site', { replica: 2 });
  const site = await cluster.mount('site');
  await mkdir(join(site, 'folder'));
  await writeFile(join(site, 'small.txt'), 'small');
  await writeFile(join(site, 'folder', 'a.bin'), randomBytes(40_000));
  await writeFile(join(site, 'large.bin'), randomBytes(3 * MIB));
  await writeFile(join(site, 'huge.bin'), '');
  await truncate(join(site, 'huge.bin'), HUGE);
  server = await Gfserve.start({ config: config(cluster.addresses.join(', ')), workers: 2 });
  prometheus = await Prometheus.start(`127.0.0.1:${server.adminPort}`);
}, 240_000);

afterAll(async () => {
  await prometheus?.stop();
  await server?.stop();
  await cluster?.down();
}, 240_000);

const admin = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`http://127.0.0.1:${server.adminPort}${path}`, { headers });

/** Values by some of their labels. */
function table(points: readonly Point[], ...labels: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    points.map((point) => [labels.map((label) => point.labels[label]).join(' '), point.value]),
  );
}

const nonZero = (values: Record<string, number>): Record<string, number> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== 0));

/** Counters and histograms of ours that have gone down. */
async function resets(): Promise<string[]> {
  const names = catalogue.flatMap(({ name, kind }) => {
    if (kind === 'gauge') return [];
    return kind === 'counter'
      ? [name]
      : ['bucket', 'sum', 'count'].map((part) => `${name}_${part}`);
  });
  const found = await Promise.all(
    names.map(async (name) =>
      (await prometheus.query(`resets(${name}[10m]) > 0`)).length > 0 ? [name] : [],
    ),
  );
  return found.flat();
}

const requests = async (): Promise<Record<string, number>> =>
  nonZero(
    table(
      await prometheus.query('sum by (mount, method, status) (gfserve_http_requests_total)'),
      'mount',
      'method',
      'status',
    ),
  );

const questions = (): readonly Question[] => [
  ...Array.from({ length: 6 }, () => ({
    method: 'GET',
    path: '/small.txt',
    mount: 'main',
    status: 200,
  })),
  {
    method: 'GET',
    path: '/small.txt',
    headers: { 'If-None-Match': etag },
    mount: 'main',
    status: 304,
  },
  {
    method: 'GET',
    path: '/small.txt',
    headers: { Range: 'bytes=1-2' },
    mount: 'main',
    status: 206,
  },
  { method: 'GET', path: '/small.txt', headers: { 'If-Match': '"x"' }, mount: 'main', status: 412 },
  { method: 'HEAD', path: '/small.txt', mount: 'main', status: 200 },
  { method: 'GET', path: '/folder/a.bin', mount: 'main', status: 200 },
  { method: 'GET', path: '/large.bin', mount: 'main', status: 200 },
  {
    method: 'GET',
    path: '/large.bin',
    headers: { Range: 'bytes=9000000-' },
    mount: 'main',
    status: 416,
  },
  { method: 'GET', path: '/folder', mount: 'main', status: 301 },
  { method: 'GET', path: '/folder/', mount: 'main', status: 403 },
  { method: 'GET', path: '/old/x', mount: 'main', status: 301 },
  { method: 'GET', path: '/missing', mount: 'main', status: 404 },
  { method: 'OPTIONS', path: '/small.txt', mount: 'main', status: 204 },
  {
    method: 'DELETE',
    path: '/small.txt',
    mount: 'main',
    counted: 'other',
    status: 405,
    closes: true,
  },
  { method: 'GET', path: '/list/', mount: 'list', status: 200 },
  { method: 'GET', path: '/list/a.bin', mount: 'list', status: 200 },
  { method: 'GET', path: '/gone/x', mount: 'gone', status: 503 },
  { method: 'GET', path: '/%zz', mount: '-', status: 400 },
];

describe('under load', () => {
  let load: CountedLoad;

  beforeAll(async () => {
    // Asked by nobody else: what is counted from here on is the load's.
    etag = String((await get(server.port, '/small.txt')).headers.etag);
    load = new CountedLoad(server.port, questions(), CLIENTS);
    load.answers.set('main GET 200', 1);
    load.bytes.set('main', 5);
    await sleep(LOAD_MS);
    await load.stop();
    await prometheus.scraped();
  }, 60_000);

  test('every question was answered as it should be', () => {
    expect(server.log.split('\n').filter((line) => / error /.test(line))).toEqual([]);
    expect(load.problems).toEqual([]);
    expect(load.total).toBeGreaterThan(1000);
    process.stdout.write(`${load.total} requests\n`);
  });

  test('requests by mount, method and status are exactly those that were answered', async () => {
    expect(await requests()).toEqual(Object.fromEntries(load.answers));
  });

  test('bytes by mount are exactly those that came', async () => {
    const counted = table(
      await prometheus.query('sum by (mount) (gfserve_http_response_body_bytes_total)'),
      'mount',
    );
    expect(counted).toEqual(Object.fromEntries(load.bytes));
  });

  test.each([
    'gfserve_http_request_duration_seconds_count',
    'gfserve_http_first_byte_seconds_count',
  ])('each request is once in %s', async (name) => {
    const counted = await prometheus.query(`sum by (mount) (${name})`);
    const answered = await prometheus.query('sum by (mount) (gfserve_http_requests_total)');
    expect(table(counted, 'mount')).toEqual(table(answered, 'mount'));
  });

  test('answers came about in every way that the load asks for', async () => {
    const counted = await prometheus.query(
      'sum by (outcome) (gfserve_http_first_byte_seconds_count)',
    );
    expect(Object.keys(nonZero(table(counted, 'outcome'))).sort()).toEqual([
      'bypass',
      'error',
      'hit',
      'miss',
      'none',
      'revalidated',
    ]);
    const errors = table(counted, 'outcome').error;
    expect(errors).toBe(load.answers.get('gone GET 503'));
    expect(
      await prometheus.number('gfserve_volume_errors_total{volume="gone",code="connecting"}'),
    ).toBe(errors);
  });

  test('no counter has ever gone down, and Prometheus has nothing to complain of', async () => {
    expect(await resets()).toEqual([]);
    expect(await prometheus.number('min_over_time(up{job="gfserve"}[10m])')).toBe(1);
    expect(prometheus.output).toBe('');
  });

  test('every metric is really there', async () => {
    const names = new Set(await prometheus.ask<string[]>('/api/v1/label/__name__/values'));
    const missing = catalogue.filter(
      ({ name, kind }) => !names.has(kind === 'histogram' ? `${name}_bucket` : name),
    );
    expect(missing.map(({ name }) => name)).toEqual([]);
  });

  test('what does not change says what it should', async () => {
    const numbers: [string, number][] = [
      ['gfserve_workers{state="ready"}', 2],
      ['gfserve_workers_configured', 2],
      ['gfserve_ready', 1],
      ['gfserve_volume_state{volume="site",state="healthy"}', 2],
      ['gfserve_volume_state{volume="gone",state="connecting"}', 2],
      ['count(gfserve_brick_up{volume="site"} == 1)', 2],
      ['gfserve_volume_threads{volume="site"}', 16],
      ['gfserve_volume_threads_stuck{volume="site"}', 0],
      ['gfserve_volume_jobs_queued{volume="site"}', 0],
      ['gfserve_http_active_requests', 0],
      ['sum(gfserve_worker_restarts_total)', 0],
      ['gfserve_cache_limit_bytes', 256 * MIB],
      ['gfserve_build_info', 1],
      ['count(process_resident_memory_bytes)', 1],
    ];
    for (const [expression, expected] of numbers) {
      expect([expression, await prometheus.number(expression)]).toEqual([expression, expected]);
    }
  });

  test('what grows has grown', async () => {
    const expressions = [
      'gfserve_cache_bytes',
      'gfserve_cache_entries',
      'gfserve_cache_names{volume="site"}',
      'gfserve_cache_lookups_total{volume="site",result="hit"}',
      'gfserve_cache_lookups_total{volume="site",result="revalidated"}',
      'gfserve_volume_handles{volume="site"}',
      'gfserve_http_accepted_connections_total',
      ...['open', 'read', 'list'].map(
        (operation) =>
          `gfserve_volume_job_duration_seconds_count{volume="site",operation="${operation}"}`,
      ),
      ...['resident_memory_bytes', 'heap_used_bytes', 'cpu_seconds_total', 'open_fds'].map(
        (name) => `min(gfserve_worker_${name})`,
      ),
      'min(gfserve_worker_event_loop_busy_seconds_total)',
    ];
    const values = await Promise.all(
      expressions.map(async (each) => [each, await prometheus.number(each)] as const),
    );
    expect(values.filter(([, value]) => value === null || value <= 0)).toEqual([]);
  });

  test.each([
    ['the event loop was busy for a part of the time', 'event_loop_busy_seconds_total', 1.05],
    [
      'processors were used, by several threads at most all of them',
      'cpu_seconds_total',
      cpus().length,
    ],
  ])('%s', async (_, name, most) => {
    const used = await prometheus.number(`max(rate(gfserve_worker_${name}[20s]))`);
    expect(used).toBeGreaterThan(0.01);
    expect(used).toBeLessThanOrEqual(most);
  });

  test('a download that is broken off is counted as such', async () => {
    const cut = 'gfserve_http_incomplete_responses_total{mount="main"}';
    expect(await prometheus.number(cut)).toBe(0);
    await abortAfter(server.port, '/huge.bin', 1000);
    await until('it is counted', 10_000, async () => (await prometheus.number(cut)) === 1);
  });

  test('a worker that is killed takes no count along', async () => {
    await prometheus.scraped();
    const before = await requests();
    const [victim] = await server.workers();
    if (!victim) throw new Error('no worker');
    process.kill(victim.pid, 'SIGKILL');
    const restarts = `gfserve_worker_restarts_total{worker="${victim.number}"}`;
    await until(
      'its restart is counted',
      10_000,
      async () => (await prometheus.number(restarts)) === 1,
    );
    await until(
      'both are ready',
      10_000,
      async () => (await prometheus.number('gfserve_workers{state="ready"}')) === 2,
    );
    expect(await requests()).toEqual(before);
    for (let i = 0; i < 20; i++) await get(server.port, '/small.txt');
    await prometheus.scraped();
    const main = 'main GET 200';
    expect(await requests()).toEqual({ ...before, [main]: (before[main] ?? 0) + 20 });
    expect(await resets()).toEqual([]);
  });
});

describe('what comes with it', () => {
  test.each(['text/plain', 'application/openmetrics-text'])('the page as %s', async (accept) => {
    const response = await admin('/metrics', { accept });
    expect(response.headers.get('content-type')).toContain(accept);
    const page = await response.text();
    if (accept === 'text/plain') {
      expect(promtool(['check', 'metrics'], page)).toEqual({ status: 0, output: '' });
    } else {
      expect(page.endsWith('# EOF\n')).toBe(true);
    }
  });

  test.each([
    ['check', 'rules', conf('alerts.yml')],
    ['check', 'config', conf('prometheus.yml')],
    ['test', 'rules', conf('alerts.test.yml')],
  ])('promtool %s %s', (...args) => {
    const { status, output } = promtool(args);
    expect([status, output]).toEqual([0, expect.stringContaining('SUCCESS')]);
    expect(output).not.toMatch(/FAILED|warning/i);
  });

  test('every alert has a test', () => {
    const names = (file: string, pattern: RegExp): string[] => [
      ...new Set(
        [...readFileSync(conf(file), 'utf8').matchAll(pattern)].map(([, name = '']) => name),
      ),
    ];
    expect(names('alerts.test.yml', /alertname: (\w+)/g).sort()).toEqual(
      names('alerts.yml', /alert: (\w+)/g).sort(),
    );
  });

  test('a running Prometheus evaluates every alert', async () => {
    interface Rules {
      groups: { rules: { name: string; health: string; lastError?: string }[] }[];
    }
    const { groups } = await prometheus.ask<Rules>('/api/v1/rules');
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.length).toBeGreaterThan(10);
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
  });

  test("every expression of the dashboard is PromQL that finds something, save where there's nothing", async () => {
    const text = readFileSync(conf('grafana-dashboard.json'), 'utf8');
    const { panels } = JSON.parse(text) as { panels: { targets?: { expr: string }[] }[] };
    const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    expect(expressions.length).toBeGreaterThan(30);
    const empty: string[] = [];
    for (const expression of expressions) {
      const filled = expression
        .replace(/\$__rate_interval/g, '1m')
        .replace(/\$(instance|mount|volume)/g, '.*');
      expect(filled).not.toContain('$');
      if ((await prometheus.query(filled)).length === 0) empty.push(expression);
    }
    expect(empty).toEqual([]);
  });
});

describe('readyz', () => {
  test('says yes although a volume that is not required is not connected', async () => {
    const response = await admin('/readyz');
    expect([response.status, await response.text()]).toEqual([200, 'ready\n']);
  });

  test('says which volume that is required is missing', async () => {
    const other = await Gfserve.start({
      lacksVolumes: true,
      config: `${GONE}[mount gone]\npath = /\nvolume = gone\n`,
    });
    try {
      const response = await fetch(`http://127.0.0.1:${other.adminPort}/readyz`);
      expect([response.status, await response.text()]).toEqual([
        503,
        'volume gone: connecting in worker 1\n',
      ]);
      expect((await fetch(`http://127.0.0.1:${other.adminPort}/healthz`)).status).toBe(200);
    } finally {
      await other.stop();
    }
  });

  test('says no while the bricks are gone, and yes once they are back', async () => {
    await cluster.gluster('volume', 'stop', 'site', 'force');
    const text = async (): Promise<string> => (await admin('/readyz')).text();
    await until('it is noticed', 20_000, async () =>
      /^volume site: down in worker 1/.test(await text()),
    );
    expect((await admin('/readyz')).status).toBe(503);
    await until(
      'the bricks are shown as gone',
      10_000,
      async () => (await prometheus.number('count(gfserve_brick_up{volume="site"} == 0)')) === 2,
    );
    expect(await prometheus.number('gfserve_ready')).toBe(0);
    await cluster.gluster('volume', 'start', 'site');
    await until('it is ready again', 60_000, async () => (await admin('/readyz')).status === 200);
  });
});
