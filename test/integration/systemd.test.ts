/** What a service manager hears of gfserve, over the socket that it gives. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { WorkerStatus } from '../../src/ipc.js';
import { Gfserve, until } from '../support/gfserve.js';
import { NotifySocket } from '../support/notify_socket.js';

/** Nobody listens there: readiness and the watchdog are not about volumes. */
const config = `
[volume away]
servers = 127.9.9.1
[mount main]
path = /
volume = away
[mount other]
path = /other
volume = away
`;

let dir: string;
let manager: NotifySocket | null = null;
let server: Gfserve | null = null;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gfserve-notify-'));
});

afterEach(async () => {
  await server?.stop();
  manager?.close();
  [server, manager] = [null, null];
  await rm(dir, { recursive: true, force: true });
});

const variables = async (pid: number): Promise<string[]> =>
  (await readFile(`/proc/${pid}/environ`, 'latin1')).split('\0');

/** While none answers there is no sign of life; as soon as one does, there is. */
async function staysSilentWithoutWorkers(
  told: NotifySocket,
  workers: readonly WorkerStatus[],
): Promise<void> {
  try {
    for (const { pid } of workers) process.kill(pid, 'SIGSTOP');
    let count = -1;
    await until('no sign of life for 2 s', 30_000, async () => {
      count = told.having('WATCHDOG').length;
      await sleep(2_000);
      return told.having('WATCHDOG').length === count;
    });
    if (workers[0]) process.kill(workers[0].pid, 'SIGCONT');
    await until('signs of life again', 20_000, () => told.having('WATCHDOG').length > count + 1);
  } finally {
    for (const { pid } of workers) process.kill(pid, 'SIGCONT');
  }
}

test('ready, reloading, stopping, and how it is; only the supervisor speaks', async () => {
  const told = await NotifySocket.open(join(dir, 'notify'));
  manager = told;
  const env = { NOTIFY_SOCKET: told.path, WATCHDOG_USEC: '400000' };
  const gfserve = await Gfserve.start({ config, workers: 2, env, lacksVolumes: true });
  server = gfserve;
  await until('READY=1', 10_000, () => told.having('READY').length === 1);
  expect(told.having('READY')[0]?.fields.STATUS).toMatch(
    /^serving 2 mounts from 1 volume( \(not connected: away\))? with 2 workers$/,
  );
  await until('it is seen what is missing', 20_000, () => /connected: away/.test(told.status));
  await until('signs of life', 10_000, () => told.having('WATCHDOG').length > 3);
  // At half the time, give or take a busy machine: never in less.
  const beats = told.having('WATCHDOG').map(({ ms }) => ms);
  expect((beats.at(-1) ?? 0) - (beats[0] ?? 0)).toBeGreaterThan((beats.length - 1) * 150);

  await staysSilentWithoutWorkers(told, await gfserve.workers());

  expect((await gfserve.sighup()).outcome).toBe('applied');
  await until('READY=1 after a reload', 10_000, () => told.having('READY').length === 2);
  const [reloading] = told.having('RELOADING');
  expect(reloading?.fields).toMatchObject({ RELOADING: '1', STATUS: 'reloading' });
  // systemd takes an announcement that is older than its own reload for one of an earlier one.
  const began = Number(reloading?.fields.MONOTONIC_USEC);
  expect(began / 1000).toBeLessThanOrEqual(reloading?.ms ?? 0);
  expect(began / 1000).toBeGreaterThan((reloading?.ms ?? 0) - 5_000);

  await gfserve.write('[server]\n');
  expect((await gfserve.sighup()).outcome).toBe('refused');
  await until('READY=1 after a refusal', 10_000, () => told.having('READY').length === 3);
  expect(told.having('RELOADING')).toHaveLength(2);

  for (const { pid } of await gfserve.workers()) {
    expect((await variables(pid)).filter((each) => /^(NOTIFY|WATCHDOG)_/.test(each))).toEqual([]);
  }
  const { pid } = gfserve;
  gfserve.signal('SIGTERM');
  expect((await gfserve.exited).code).toBe(0);
  await until('STOPPING=1', 5_000, () => told.having('STOPPING').length === 1);
  expect(new Set(told.notices.map((notice) => notice.pid))).toEqual(new Set([pid]));
}, 240_000);
