/** The C++ that needs neither Node nor libgfapi, under sanitizers; and all of it without a warning. */
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { compile, gfapiFlags, ROOT, type Sanitizer, WARNINGS, Workshop } from './programs.js';

const PROGRAMS = [
  'thread_pool_test',
  'completion_queue_test',
  'notice_queue_test',
  'handle_cache_test',
  'block_pool_test',
  'access_line_test',
  'quick_table_test',
  'eager_turns_test',
  'fine_clock_test',
].flatMap((name): [string, Sanitizer][] => [
  [name, 'address'],
  [name, 'thread'],
]);
const TIMEOUT_MS = 480_000;

let workshop: Workshop;

beforeAll(async () => {
  workshop = await Workshop.open();
  await Promise.allSettled(PROGRAMS.map(([name, kind]) => workshop.program(name, 'alone', kind)));
}, TIMEOUT_MS);

afterAll(async () => {
  await workshop?.close();
});

test.each(PROGRAMS)(
  '%s with the %s sanitizer',
  async (name, sanitizer) => {
    const output = await workshop.run(
      await workshop.program(name, 'alone', sanitizer),
      [],
      120_000,
    );
    expect(output).not.toMatch(/WARNING: ThreadSanitizer|ERROR: AddressSanitizer|runtime error/);
  },
  TIMEOUT_MS,
);

/** Where node-gyp found Node's headers. */
function nodeHeaders(): string {
  const { variables } = process.config as unknown as { variables: Record<string, unknown> };
  const found = [
    process.env.npm_config_nodedir ?? '',
    String(variables.nodedir ?? ''),
    join(process.env.HOME ?? homedir(), '.cache', 'node-gyp', process.versions.node),
    dirname(dirname(process.execPath)),
  ]
    .map((folder) => join(folder, 'include', 'node'))
    .find((folder) => existsSync(join(folder, 'node_api.h')));
  if (!found) throw new Error("Node's headers are nowhere to be found");
  return found;
}

test(
  'every source of the addon compiles without a warning',
  async () => {
    const flags = [
      ...WARNINGS,
      ...(await gfapiFlags()),
      '-O2',
      '-DNAPI_VERSION=9',
      '-DNAPI_DISABLE_CPP_EXCEPTIONS',
      `-isystem${nodeHeaders()}`,
      `-isystem${join(ROOT, 'node_modules', 'node-addon-api')}`,
    ];
    const sources = readdirSync(join(ROOT, 'addon')).filter((file) => file.endsWith('.cc'));
    expect(sources.length).toBeGreaterThan(5);
    const outputs = await Promise.all(
      sources.map((source) =>
        compile([...flags, '-c', join(ROOT, 'addon', source), '-o', '/dev/null']),
      ),
    );
    expect(outputs.join('')).toBe('');
  },
  TIMEOUT_MS,
);
