/** Compiles the C++ tests with sanitizers and runs them: what stands alone by itself, the rest on a real cluster. */

import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Cluster } from '../support/cluster/cluster.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const here = join(root, 'test', 'native');
const addon = join(root, 'addon');

const WARNINGS = ['-std=c++17', '-Wall', '-Wextra', '-Werror'];
const SANITIZERS = {
  address: ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
  thread: ['-fsanitize=thread'],
} as const;

/** Tests that need neither Node nor libgfapi, and the source they are about. */
const ALONE: Readonly<Record<string, readonly string[]>> = {
  thread_pool_test: ['thread_pool.cc'],
  completion_queue_test: [],
  handle_cache_test: [],
  block_pool_test: ['block_pool.cc'],
};

/** Tests against a real volume: what a path stands for, who may read it, and how a volume ends at any moment. */
const ON_A_VOLUME: Readonly<Record<keyof typeof SANITIZERS, readonly string[]>> = {
  address: ['walk_test', 'permission_test', 'close_test'],
  thread: ['walk_test', 'close_test'],
};
const VOLUME_SOURCES = ['volume', 'path_walk', 'jobs', 'thread_pool', 'block_pool', 'status'];

let dir: string;
let cluster: Cluster;
/** By volume; each sanitizer has one of its own. */
const mounts = new Map<string, string>();

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gfserve-native-'));
  cluster = await Cluster.up({ dir: join(dir, 'cluster'), nodes: 2 });
  // A test becomes an ordinary user, who must still reach what it needs.
  await chmod(dir, 0o755);
  for (const name of ['lsan.supp', 'tsan.supp']) await copyFile(join(here, name), join(dir, name));
  for (const name of Object.keys(SANITIZERS)) {
    await cluster.createVolume(name, { replica: 2 });
    mounts.set(name, await cluster.mount(name));
  }
}, 60_000);

afterAll(async () => {
  await cluster?.down();
  await rm(dir, { recursive: true, force: true });
});

/** Runs to the end; rejects with everything it printed. */
function run(command: string, args: readonly string[], timeoutMs = 120_000): Promise<string> {
  const env = {
    ...process.env,
    ASAN_OPTIONS: 'detect_leaks=1',
    LSAN_OPTIONS: `suppressions=${join(dir, 'lsan.supp')}`,
    TSAN_OPTIONS: `suppressions=${join(dir, 'tsan.supp')}`,
  };
  return new Promise((resolve, reject) => {
    execFile(command, args, { env, timeout: timeoutMs, maxBuffer: 1 << 24 }, (error, out, err) => {
      if (error) reject(new Error(`${command} ${args.join(' ')}\n${error.message}\n${out}${err}`));
      else resolve(out + err);
    });
  });
}

describe.each(Object.entries(SANITIZERS))('with the %s sanitizer', (name, flags) => {
  test.each(Object.entries(ALONE))(
    '%s',
    async (program, sources) => {
      const binary = join(dir, `${program}-${name}`);
      const files = [join(here, `${program}.cc`), ...sources.map((source) => join(addon, source))];
      await run('g++', [...WARNINGS, ...flags, '-O1', '-g', '-pthread', ...files, '-o', binary]);
      const output = await run(binary, []);
      expect(output).not.toMatch(/WARNING: ThreadSanitizer|ERROR: AddressSanitizer|runtime error/);
    },
    240_000,
  );
});

/** spy.cc stands between us and libgfapi: it counts what is held, and lets calls fail or hang. */
async function wrapFlags(): Promise<string[]> {
  const text = await readFile(join(here, 'spy.cc'), 'utf8');
  const names = new Set([...text.matchAll(/__wrap_(\w+)/g)].map(([, name = '']) => name));
  return [...names].map((name) => `-Wl,--wrap=${name}`);
}

describe.each(Object.entries(SANITIZERS))('on a volume, with the %s sanitizer', (name, flags) => {
  const programs = ON_A_VOLUME[name === 'thread' ? 'thread' : 'address'];
  test.each(programs)(
    '%s',
    async (program) => {
      const binary = join(dir, `${program}-${name}`);
      const gfapi = (await run('pkg-config', ['--cflags', 'glusterfs-api'])).trim().split(/\s+/);
      const sources = VOLUME_SOURCES.map((source) => join(addon, `${source}.cc`));
      const files = [join(here, `${program}.cc`), join(here, 'spy.cc'), ...sources];
      const common = [...WARNINGS, ...gfapi, ...flags, '-O1', '-g', '-pthread'];
      await run('g++', [...common, ...files, ...(await wrapFlags()), '-lgfapi', '-o', binary]);
      await run(binary, [cluster.addresses[0] ?? '', name, mounts.get(name) ?? '', '/dev/null']);
    },
    240_000,
  );
});

/** Where node-gyp found Node's headers. */
async function nodeHeaders(): Promise<string> {
  const config: unknown = JSON.parse(
    (await run('node', ['-e', 'console.log(JSON.stringify(process.config.variables))'])).trim(),
  );
  const nodedir =
    typeof config === 'object' && config !== null && 'nodedir' in config
      ? String(config.nodedir)
      : '';
  const cache = join(process.env.HOME ?? '/root', '.cache', 'node-gyp', process.versions.node);
  const found = [
    process.env.npm_config_nodedir ?? '',
    nodedir,
    cache,
    dirname(dirname(process.execPath)),
  ]
    .map((folder) => join(folder, 'include', 'node'))
    .find((folder) => existsSync(join(folder, 'node_api.h')));
  if (!found) throw new Error("Node's headers are nowhere to be found");
  return found;
}

test('every source of the addon compiles without a warning', async () => {
  const headers = await nodeHeaders();
  const gfapi = (await run('pkg-config', ['--cflags', 'glusterfs-api'])).trim().split(/\s+/);
  const sources = readdirSync(addon).filter((file) => file.endsWith('.cc'));
  expect(sources.length).toBeGreaterThan(5);
  for (const source of sources) {
    const output = await run('g++', [
      ...WARNINGS,
      ...gfapi,
      '-O2',
      '-DNAPI_VERSION=9',
      '-DNAPI_DISABLE_CPP_EXCEPTIONS',
      `-isystem${headers}`,
      `-isystem${join(root, 'node_modules', 'node-addon-api')}`,
      '-c',
      join(addon, source),
      '-o',
      '/dev/null',
    ]);
    expect([source, output]).toEqual([source, '']);
  }
}, 240_000);
