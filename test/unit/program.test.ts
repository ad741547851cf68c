/** How the program is started anew, where that can't be done, and what two of them understand of each other. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { http, sample } from '../../src/observe/metrics.js';
import { commandOf, type Surroundings, upgradeObstacle } from '../../src/program.js';
import { readFromSuccessor, readToSuccessor } from '../../src/upgrade_messages.js';

let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'gfserve-program-'));
  for (const name of ['a', 'b']) {
    mkdirSync(join(dir, name));
    writeFileSync(join(dir, name, 'node'), '');
  }
  chmodSync(join(dir, 'b', 'node'), 0o755);
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('the command line once more', () => {
  const start = {
    execPath: '/old/bin/node',
    execArgv: ['--enable-source-maps'],
    script: '/usr/bin/gfserve',
    args: ['--config', 'server.ini'],
  };
  const programOf = (argv0: string, path = ''): string =>
    commandOf({ ...start, argv0, path }).program;

  test('has what was behind node and behind the script', () => {
    expect(commandOf({ ...start, argv0: 'node', path: `${dir}/b` })).toEqual({
      program: `${dir}/b/node`,
      args: ['--enable-source-maps', '/usr/bin/gfserve', '--config', 'server.ini'],
    });
  });

  test('looks node up as a shell does: the first in the PATH that can be run', () => {
    expect(programOf('node', `${dir}/none:relative::${dir}/a:${dir}/b`)).toBe(`${dir}/b/node`);
    expect(programOf(join(dir, 'b', 'node'))).toBe(join(dir, 'b', 'node'));
  });

  test('takes the node that runs where there is no such program, or the name is none of node', () => {
    expect(programOf('node', `${dir}/a`)).toBe('/old/bin/node');
    expect(programOf(join(dir, 'a', 'node'))).toBe('/old/bin/node');
    expect(programOf('gfserve', `${dir}/b`)).toBe('/old/bin/node');
  });
});

describe('where the place of a process cannot be taken', () => {
  const plain: Surroundings = { pid: 70, parent: 1, init: 'systemd', env: {}, canNotify: true };
  const [SYSTEMD_EXEC_PID, NOTIFY_SOCKET] = ['70', '/run/systemd/notify'];

  test.each<[string, Partial<Surroundings>, RegExp]>([
    ['process 1', { pid: 1, parent: 0 }, /is process 1, .*start a container of the new version/],
    ['under a small init', { init: 'tini' }, /was started by tini, which ends the container/],
    ['of a plain service', { env: { SYSTEMD_EXEC_PID } }, /systemd would end .*Type=notify/],
    [
      'of a service that cannot tell',
      { env: { SYSTEMD_EXEC_PID, NOTIFY_SOCKET }, canNotify: false },
      /systemd would end/,
    ],
  ])('%s', (_where, changes, reason) => {
    expect(upgradeObstacle({ ...plain, ...changes })).toMatch(reason);
  });

  test.each<[string, Partial<Surroundings>]>([
    ['by hand', {}],
    ['beside a small init', { parent: 60, init: 'tini' }],
    ['of a service of Type=notify', { env: { SYSTEMD_EXEC_PID, NOTIFY_SOCKET } }],
    ['started from another service', { env: { SYSTEMD_EXEC_PID: '12' } }],
  ])('but it can %s', (_where, changes) => {
    expect(upgradeObstacle({ ...plain, ...changes })).toBeNull();
  });
});

describe('messages of another version', () => {
  test('that are not known are passed over, and fields that are not', () => {
    expect(readToSuccessor({ type: 'dance' })).toBeNull();
    expect(readFromSuccessor({ type: 'dance' })).toBeNull();
    expect(readFromSuccessor({ type: 'ready', paths: ['/a'], more: 1 })).toEqual({
      type: 'ready',
      paths: ['/a'],
    });
    expect(readToSuccessor({ type: 'begin', ports: [80], paths: [] })).toEqual({
      type: 'begin',
      ports: [80],
      paths: [],
      pidFile: null,
    });
  });

  test('whose figures are partly known give those', () => {
    const known = sample(http.connections, [], 2);
    const samples = [
      known,
      { name: 'gfserve_new', labels: [], value: 1 },
      { ...known, labels: ['x'] },
    ];
    expect(readToSuccessor({ type: 'metrics', samples })).toEqual({
      type: 'metrics',
      samples: [known],
    });
  });

  test.each([null, 'ready', [], { type: 'socket', number: '1', key: 'x' }, { type: 'stop' }])(
    '%j is none',
    (value) => {
      expect(readToSuccessor(value)).toBeNull();
      expect(readFromSuccessor(value)).toBeNull();
    },
  );
});
