import { connect } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { type Changes, freePort, Supervised, testConfig, until } from '../support/supervised.js';

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
