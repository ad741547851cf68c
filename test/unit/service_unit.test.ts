/** conf/gfserve.service, by systemd's own tools. It is the file that the Debian package installs. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { loadConfig } from '../../src/config/load.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const text = readFileSync(join(root, 'conf', 'gfserve.service'), 'utf8');
let dir: string;
let unit: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'gfserve-unit-'));
  unit = join(dir, 'gfserve.service');
  // The program need not be installed here.
  writeFileSync(unit, text.replaceAll('/usr/bin/gfserve', '/bin/true'));
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

function analyze(...args: string[]): string {
  const { stdout, stderr, status } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

/** The last value of a setting. */
const setting = (name: string): string =>
  [...text.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].at(-1)?.[1] ?? '';

test('systemd has nothing to say against it', () => {
  expect(analyze('verify', '--man=no', unit)).toBe('');
});

test('its exposure is what docs/operations.md says', () => {
  const found = /Overall exposure level for gfserve\.service: (\d+\.\d+) OK/.exec(
    analyze('security', '--offline=yes', '--no-pager', unit),
  );
  const documented = /systemd-analyze security.*?(\d+\.\d+)/s.exec(
    readFileSync(join(root, 'docs', 'operations.md'), 'utf8'),
  );
  expect(found?.[1]).toBeDefined();
  expect(documented?.[1]).toBe(found?.[1]);
});

test('a stop has more time than requests that are under way get by default', () => {
  const example = loadConfig(join(root, 'conf', 'server.ini'));
  if (!example.ok) throw new Error('the example has errors');
  const seconds = Number(/^(\d+)s$/.exec(setting('TimeoutStopSec'))?.[1]);
  expect(seconds * 1000).toBeGreaterThan(example.config.limits.drainTimeoutMs + 5_000);
  // What the example names is what the unit makes.
  const { pidFile, user, group } = example.config.server;
  expect(pidFile).toBe(`/run/${setting('RuntimeDirectory')}/gfserve.pid`);
  expect([user, group]).toEqual([setting('User'), setting('Group')]);
});
