/** What the environment of a service says, and what is said of gfserve's state. */
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { WorkerFigures, WorkerPhase } from '../../src/observe/ledger.js';
import { sample, volumes } from '../../src/observe/metrics.js';
import { isAlive, statusLine } from '../../src/service_notices.js';
import { system } from '../../src/system.js';
import { readService, type Service } from '../../src/systemd.js';
import { until } from '../support/gfserve.js';
import { NotifySocket } from '../support/notify_socket.js';
import { testConfig } from '../support/supervised.js';

test.each<[NodeJS.ProcessEnv, Service | null]>([
  [{}, null],
  [{ NOTIFY_SOCKET: '' }, null],
  [{ NOTIFY_SOCKET: 'relative' }, null],
  [{ NOTIFY_SOCKET: 'vsock:2:9999' }, null],
  [{ NOTIFY_SOCKET: '/run/n' }, { socket: '/run/n', watchdogMs: null }],
  [
    { NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '30000000' },
    { socket: '@n', watchdogMs: 30_000 },
  ],
  [
    { NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '0' },
    { socket: '@n', watchdogMs: null },
  ],
  [
    { NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '1s' },
    { socket: '@n', watchdogMs: null },
  ],
  [
    { NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '5000', WATCHDOG_PID: '7' },
    { socket: '@n', watchdogMs: 5 },
  ],
  [
    { NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '5000', WATCHDOG_PID: '8' },
    { socket: '@n', watchdogMs: null },
  ],
  [{ WATCHDOG_USEC: '5000' }, null],
])('%j', (env, expected) => {
  expect(readService(env, 7)).toEqual(expected);
});

function worker(state: string, phase: WorkerPhase = 'ready', ageMs = 100): WorkerFigures {
  const samples = [sample(volumes.state, ['a', state], 1)];
  return { number: 1, pid: 1, phase, samples, ageMs };
}

test.each<[string, readonly WorkerFigures[]]>([
  ['serving 1 mount from 1 volume with 2 workers', [worker('healthy'), worker('degraded')]],
  [
    'serving 1 mount from 1 volume (not connected: a) with 2 workers',
    [worker('healthy'), worker('down')],
  ],
  [
    'serving 1 mount from 1 volume with 1 of 2 workers',
    [worker('healthy'), worker('down', 'starting')],
  ],
  ['serving 1 mount from 1 volume with 0 of 2 workers', []],
])('%s', (line, figures) => {
  expect(statusLine(testConfig(), figures)).toBe(line);
});

test.each<[boolean, string, readonly WorkerFigures[]]>([
  [true, 'the volume is down', [worker('down')]],
  [true, 'one of two answers', [worker('healthy', 'ready', 60_000), worker('healthy')]],
  [false, 'none has said anything for a while', [worker('healthy', 'ready', 5_001)]],
  [false, 'none is there yet', [worker('healthy', 'starting')]],
  [false, 'there is none', []],
])('alive: %s, where %s', (alive, _where, figures) => {
  expect(isAlive(figures)).toBe(alive);
});

test('a datagram goes to a file or an abstract name, and never waits for its reader', async () => {
  const told = await NotifySocket.open(`@gfserve-test-${process.pid}`);
  const dir = mkdtempSync(join(tmpdir(), 'gfserve-notify-'));
  try {
    const { sendDatagram } = system();
    expect(sendDatagram(told.path, 'READY=1\nSTATUS=a=b')).toBe(0);
    await until('it has come', 20_000, () => told.notices.length === 1);
    expect(told.notices[0]).toMatchObject({
      pid: process.pid,
      fields: { READY: '1', STATUS: 'a=b' },
    });
    told.pause();
    let sent = 0;
    while (sent < 100_000 && sendDatagram(told.path, `N=${sent}`) === 0) sent += 1;
    expect(sendDatagram(told.path, 'N=-1')).toBe(constants.errno.EAGAIN);
    expect(sendDatagram(join(dir, 'nobody'), 'READY=1')).toBe(constants.errno.ENOENT);
    expect(sendDatagram('relative', 'READY=1')).toBe(constants.errno.EINVAL);
    expect(sendDatagram(`/${'n'.repeat(107)}`, 'READY=1')).toBe(constants.errno.ENAMETOOLONG);
  } finally {
    told.close();
    rmSync(dir, { recursive: true });
  }
});
