import { connect } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { freePort } from '../support/ports.js';
import { type Changes, isAlive, Supervised, testConfig, until } from '../support/supervised.js';

let running: Supervised | null = null;

afterEach(async () => {
  await running?.clean();
  running = null;
});

async function run(mode = 'ok', changes: Changes = {}): Promise<{ s: Supervised; url: string }> {
  const port = await freePort();
  const text = `127.0.0.1:${port}`;
  const admin = { listen: { kind: 'tcp' as const, host: '127.0.0.1', port, text } };
  const s = new Supervised(testConfig({ ...changes, admin }), mode);
  running = s;
  return { s, url: `http://${text}` };
}

test('healthz and status, for GET and HEAD and nothing else', async () => {
  const { s, url } = await run();
  await s.ready();
  const health = await fetch(`${url}/healthz`);
  expect([health.status, await health.text()]).toEqual([200, 'ok\n']);
  const status = await fetch(`${url}/status?x`);
  expect(status.headers.get('content-type')).toBe('application/json');
  const body: unknown = await status.json();
  expect(body).toMatchObject({
    version: '0.0.0-test',
    pid: s.pid,
    restarts: 0,
    workers: [
      { number: 1, pid: s.pids(1)[0], state: 'ready', requests: { total: 7, active: 1 } },
      { number: 2, pid: s.pids(2)[0], state: 'ready', volumes: [{ name: 'a', server: 'b' }] },
    ],
  });
  const head = await fetch(`${url}/healthz`, { method: 'HEAD' });
  expect([head.status, await head.text()]).toEqual([200, '']);
  expect((await fetch(`${url}/`)).status).toBe(404);
  const post = await fetch(`${url}/status`, { method: 'POST', body: 'x' });
  expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
});

test('is unhealthy as long as no worker is ready', async () => {
  const { s, url } = await run('slow');
  await s.says(/worker 2 listens/);
  expect((await fetch(`${url}/healthz`)).status).toBe(503);
  const body: unknown = await (await fetch(`${url}/status`)).json();
  expect(body).toMatchObject({ workers: [{ state: 'starting' }, { state: 'starting' }] });
});

test('a worker that does not answer within a second is listed as unresponsive', async () => {
  const { s, url } = await run('deaf');
  await s.ready();
  const start = performance.now();
  // Asked many times at once, the workers are asked once.
  const all = await Promise.all(
    Array.from({ length: 20 }, async () => (await fetch(`${url}/status`)).json()),
  );
  expect(performance.now() - start).toBeLessThan(4000);
  for (const body of all) {
    expect(body).toMatchObject({
      workers: [
        { number: 1, pid: s.pids(1)[0], state: 'unresponsive' },
        { number: 2, pid: s.pids(2)[0], state: 'unresponsive' },
      ],
    });
  }
});

/** The value of a series on the page; null: it is not there. */
async function metric(url: string, series: string): Promise<number | null> {
  const page = await (await fetch(`${url}/metrics`)).text();
  const line = page.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? null : Number(line.split(' ').at(-1));
}

const REQUESTS = 'gfserve_http_requests_total{mount="main",method="GET",status="200"}';

test('metrics of all workers, in the form that is wanted', async () => {
  const { s, url } = await run();
  await s.ready();
  const text = await fetch(`${url}/metrics`);
  expect(text.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(text.headers.get('vary')).toBe('Accept');
  // Each worker counts one more when it is asked.
  expect(await text.text()).toContain(`\n${REQUESTS} 16\n`);
  const headers = { accept: 'application/openmetrics-text; version=1.0.0' };
  const open = await fetch(`${url}/metrics`, { headers });
  expect(open.headers.get('content-type')).toMatch(/^application\/openmetrics-text; version=1/);
  const page = await open.text();
  expect(page).toContain(`\n${REQUESTS} 18\n`);
  expect(page).toContain('\ngfserve_http_connections 4\n');
  expect(page).toContain('\ngfserve_workers{state="ready"} 2\n');
  expect(page).toContain('\ngfserve_ready 1\n');
  expect(page).toContain(
    `\ngfserve_build_info{version="0.0.0-test",node_version="${process.version}"} 1\n`,
  );
  expect(page).toMatch(/\ngfserve_worker_open_fds\{worker="2"} \d+\n/);
  expect(page).toMatch(/\nprocess_resident_memory_bytes \d+\n/);
});

test("a dead worker's counts stay, its gauges go, and its restart is counted", async () => {
  const { s, url } = await run();
  await s.ready();
  expect(await metric(url, REQUESTS)).toBe(16);
  s.setMode('slow');
  const [first = 0] = s.pids(1);
  process.kill(first, 'SIGKILL');
  await s.says(/worker 1 \(pid \d+\) was killed/);
  await until('it is gone', () => !isAlive(first));
  // The one that is left counts one more.
  expect(await metric(url, REQUESTS)).toBe(17);
  expect(await metric(url, 'gfserve_http_connections')).toBe(2);
  expect(await metric(url, 'gfserve_worker_resident_memory_bytes{worker="1"}')).toBeNull();
  await until('another one starts', () => s.stderr.split('worker 1 listens').length === 3);
  expect(await metric(url, 'gfserve_worker_restarts_total{worker="1"}')).toBe(1);
  expect(await metric(url, 'gfserve_worker_restarts_total{worker="2"}')).toBe(0);
  expect(await metric(url, 'gfserve_workers{state="starting"}')).toBe(1);
});

test('a worker that does not answer is taken from its last report, within a second', async () => {
  const { s, url } = await run('deaf');
  await s.ready();
  const start = performance.now();
  const pages = await Promise.all(Array.from({ length: 20 }, () => metric(url, REQUESTS)));
  expect(performance.now() - start).toBeLessThan(4000);
  expect(new Set(pages)).toEqual(new Set([14]));
  expect(await metric(url, 'gfserve_worker_report_age_seconds{worker="1"}')).toBeGreaterThan(0.9);
});

test.each([
  ['ok', 200, 'ready\n'],
  ['alone', 503, 'volume a: connecting in worker 1, connecting in worker 2\n'],
])('readyz where workers are %s: %i', async (mode, status, text) => {
  const { s, url } = await run(mode);
  await s.ready();
  const answer = await fetch(`${url}/readyz`);
  expect([answer.status, await answer.text()]).toEqual([status, text]);
  // The process is up in any case.
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
});

test('readyz as long as no worker is ready', async () => {
  const { s, url } = await run('slow');
  await s.says(/worker 2 listens/);
  const answer = await fetch(`${url}/readyz`);
  expect([answer.status, await answer.text()]).toEqual([503, 'no worker is ready\n']);
});

test('a flood of bytes that are no HTTP does the supervisor no harm', async () => {
  const { s, url } = await run();
  await s.ready();
  const port = Number(new URL(url).port);
  let closed = 0;
  for (let i = 0; i < 100; i += 1) {
    const socket = connect(port, '127.0.0.1', () => socket.write(`\0\xff junk\r\n`.repeat(2000)));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      closed += 1;
    });
  }
  await until('all were closed', () => closed === 100);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  s.kill('SIGTERM');
  expect(await s.exit).toEqual({ code: 0, signal: null });
});

test('an admin address that is taken keeps it from starting', async () => {
  const { s, url } = await run();
  await s.ready();
  const port = Number(new URL(url).port);
  const listen = { kind: 'tcp' as const, host: '127.0.0.1', port, text: `127.0.0.1:${port}` };
  const second = new Supervised(testConfig({ admin: { listen } }));
  expect(await second.exit).toEqual({ code: 1, signal: null });
  expect(second.stderr).toContain(
    `GFS_LISTEN: [admin] listen 127.0.0.1:${port}: something listens`,
  );
  await second.clean();
});
