/**
 * The addon's C++ on a real cluster, under sanitizers: what paths stand for, how fresh answers are, what failures become,
 * how volumes end. A mount of the same volume is the client that changes files.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Cluster } from '../support/cluster/cluster.js';
import { Churn } from './churn.js';
import { type Sanitizer, Workshop } from './programs.js';

/** With group metadata-cache, as GlusterFS calls it. */
const INVALIDATIONS = {
  'features.cache-invalidation': 'on',
  'features.cache-invalidation-timeout': '600',
  'performance.cache-invalidation': 'on',
  'performance.md-cache-timeout': '600',
  'network.inode-lru-limit': '200000',
};

const PROGRAM_TIMEOUT_MS = 150_000;
const TEST_TIMEOUT_MS = 600_000;
const STRESS_MS = 8_000;
const VOLUMES = [
  ['address', {}],
  ['thread', {}],
  ['invalidations', INVALIDATIONS],
  ['bricks-tell', { 'features.cache-invalidation': 'on' }],
] as const;

/** They mostly wait for glfs_fini, some ten seconds each: all at once. */
const QUIET: readonly (readonly [string, Sanitizer])[] = [
  ['walk_test', 'address'],
  ['walk_test', 'thread'],
  ['versions_test', 'address'],
  ['faults_test', 'address'],
  ['permission_test', 'address'],
  ['close_test', 'address'],
  ['close_test', 'thread'],
];

let cluster: Cluster;
let workshop: Workshop;
const mounts = new Map<string, string>();
const quiet = new Map<string, Promise<string>>();

/** Runs a program on the volume of that name. */
async function run(
  program: string,
  sanitizer: Sanitizer,
  volume: string,
  ...args: readonly string[]
): Promise<string> {
  const path = await workshop.program(program, 'on a volume', sanitizer);
  const place = [cluster.addresses[0] ?? '', volume, mounts.get(volume) ?? '', '/dev/null'];
  return await workshop.run(path, [...place, ...args], PROGRAM_TIMEOUT_MS);
}

beforeAll(async () => {
  workshop = await Workshop.open();
  const programs = [
    ...QUIET,
    ['freshness_test', 'address'],
    ['events_test', 'address'],
    ['events_test', 'thread'],
    ['stress_test', 'address'],
    ['stress_test', 'thread'],
  ] as const;
  const compiled = programs.map(([name, sanitizer]) =>
    workshop.program(name, 'on a volume', sanitizer),
  );
  const started = (async () => {
    cluster = await Cluster.up({ dir: await mkdtemp(join(tmpdir(), 'gfserve-gfapi-')), nodes: 2 });
    for (const [name, options] of VOLUMES) {
      await cluster.createVolume(name, { replica: 2, options });
      mounts.set(name, await cluster.mount(name));
    }
  })();
  // What does not compile fails its own tests; nothing is left under way here, whatever fails.
  await started.catch(() => undefined);
  for (const [name, sanitizer] of mounts.size === VOLUMES.length ? QUIET : []) {
    const result = run(name, sanitizer, sanitizer);
    result.catch(() => undefined); // its test awaits it
    quiet.set(`${name} ${sanitizer}`, result);
  }
  await Promise.allSettled(compiled);
  await started;
}, TEST_TIMEOUT_MS);

afterAll(async () => {
  await Promise.allSettled(quiet.values());
  await cluster?.down();
  await workshop?.close();
}, TEST_TIMEOUT_MS);

test.each(QUIET)(
  '%s with the %s sanitizer',
  async (name, sanitizer) => {
    await quiet.get(`${name} ${sanitizer}`);
  },
  TEST_TIMEOUT_MS,
);

test.each([
  ['address', 'without invalidations'],
  ['invalidations', 'with invalidations'],
])(
  'how soon a change is served on the volume %s, %s',
  async (volume, mode) => {
    await run('freshness_test', 'address', volume, mode);
  },
  TEST_TIMEOUT_MS,
);

// One sanitizer on each kind of volume, here and below.
test.each([
  ['invalidations', 'address'],
  ['bricks-tell', 'thread'],
] as const)(
  'what bricks say of changes on the volume %s, with the %s sanitizer',
  async (volume, sanitizer) => {
    await run('events_test', sanitizer, volume);
  },
  TEST_TIMEOUT_MS,
);

test.each([
  ['invalidations', 'address'],
  ['thread', 'thread'],
] as const)(
  'thousands of jobs on a changing tree on the volume %s, with the %s sanitizer',
  async (volume, sanitizer) => {
    const churn = await Churn.make(mounts.get(volume) ?? '');
    churn.start();
    let output = '';
    try {
      output = await run('stress_test', sanitizer, volume, String(STRESS_MS));
    } finally {
      await churn.stop();
    }
    expect(churn.operations).toBeGreaterThan(50);
    // Never old content under a new ETag, in which the mtime stands.
    const seen = [...output.matchAll(/^seen (\d+) (\d+) (\d+)$/gm)];
    expect(seen.length).toBeGreaterThan(20);
    const wrong = seen.filter(([, , generation, mtime]) => {
      const written = churn.mtimes.get(Number(generation));
      return written === undefined || BigInt(mtime ?? 0) > written;
    });
    expect(wrong.map(([line]) => line)).toEqual([]);
  },
  TEST_TIMEOUT_MS,
);
