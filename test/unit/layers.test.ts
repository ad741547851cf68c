/** Imports point one way; see docs/architecture.md. */

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const src = join(root, 'src');

const sources = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);

/** What a file imports: files of src/ by their path there, packages by name. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(src, file), 'utf8');
  return [...text.matchAll(/(?:from|import\()\s*'([^']+)'/g)].map(([, name = '']) =>
    name.startsWith('.')
      ? relative(src, resolve(src, dirname(file), name)).replace(/\.js$/, '.ts')
      : name,
  );
}

const all = sources.flatMap((file) => importsOf(file).map((imported) => ({ file, imported })));

test('the sources were found', () => {
  expect(sources).toContain(join('http', 'pipeline.ts'));
  expect(all).toContainEqual({ file: 'worker.ts', imported: 'http/route.ts' });
});

test.each([
  ['http sees of storage only the interface', /^http\//, /^storage\/(?!storage\.ts)/],
  ['storage never sees http', /^storage\//, /^http\//],
  ['config sees neither', /^config\//, /^(http|storage|observe)\//],
  ['nobody imports the worker', /./, /^worker\.ts$/],
  [
    'the supervisor loads neither uWebSockets.js nor the addon',
    /^(supervisor|generations|worker_pool|worker_slot|reload|reload_\w+|upgrade|upgrade_\w+|predecessor|successor|take_over|program|signals|sockets|accounts|admin|admin_port|ipc|preflight|readiness|service|service_figures|service_notices|systemd|status_command|words|status\/\w+)\.ts$/,
    /^(http|storage)\/|uWebSockets/,
  ],
  [
    'only http touches uWebSockets.js',
    /^(?!http\/(server|request|pipeline|exchange|clients|hot|hot_answer|quick|writer|stream|transfer|fields)\.ts|load_natives\.ts)/,
    /^uWebSockets\.js$/,
  ],
  ['only the configuration makes patterns', /^(?!config\/(patterns|globs)\.ts)/, /^re2js$/],
  [
    'only their faces load native modules',
    /^(?!storage\/native\.ts|system\.ts|http_native\.ts|load_natives\.ts|requirements\.ts)/,
    /^node:module$/,
  ],
])('%s', (_rule, from, to) => {
  expect(all.filter(({ file, imported }) => from.test(file) && to.test(imported))).toEqual([]);
});

test('no file is longer than 500 lines', () => {
  const long = sources.filter(
    (file) => readFileSync(join(src, file), 'utf8').split('\n').length > 500,
  );
  expect(long).toEqual([]);
});

test('in C++ only the environment and the modules see Node-API, and what stands alone stands alone', () => {
  const addon = join(root, 'addon');
  const includes = readdirSync(addon)
    .filter((file) => /\.(cc|h)$/.test(file))
    .map((file) => ({
      file,
      names: [...readFileSync(join(addon, file), 'utf8').matchAll(/#include [<"]([^>"]+)/g)].map(
        ([, name = '']) => name,
      ),
    }));
  expect(includes.filter(({ names }) => names.includes('napi.h')).map(({ file }) => file)).toEqual([
    'addon.cc',
    'environment.h',
    'system.cc',
  ]);
  expect(
    includes.filter(({ names }) => names.includes('node_api.h')).map(({ file }) => file),
  ).toEqual(['http.cc']);
  const sees = includes.filter(({ names }) => names.includes('environment.h'));
  expect(sees.map(({ file }) => file)).toEqual(['addon.cc', 'environment.cc']);
  for (const { file, names } of includes) {
    if (
      !/^(thread_pool|completion_queue|handle_cache|block_pool|sockets|credentials|notify|response_socket|request_fields|access_line|quick_table)\./.test(
        file,
      )
    )
      continue;
    const own = file.replace(/\..*/, '.h');
    expect(
      names.filter(
        (name) =>
          name.endsWith('.h') &&
          name !== own &&
          !/^(sys\/(mman|prctl|socket|syscall|un)|linux\/capability|pthread|dirent|fcntl|unistd|v8)\.h$/.test(
            name,
          ),
      ),
    ).toEqual([]);
  }
});
