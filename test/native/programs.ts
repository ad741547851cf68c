/** Compiles the C++ test programs under a sanitizer and runs them. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const HERE = join(ROOT, 'test', 'native');

const SANITIZERS = {
  address: ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
  thread: ['-fsanitize=thread'],
} as const;

export type Sanitizer = keyof typeof SANITIZERS;

/** Without Node and libgfapi, but with Debian's libuv; or with libgfapi on a real volume. */
export type Kind = 'alone' | 'on a volume';

const addon = (...names: string[]): string[] =>
  names.map((name) => join(ROOT, 'addon', `${name}.cc`));

/** What a program consists of, beside its own source. */
const SOURCES: Readonly<Record<Kind, readonly string[]>> = {
  alone: addon('access_line', 'block_pool', 'eager_turns', 'quick_table', 'thread_pool'),
  'on a volume': [
    ...addon('block_pool', 'jobs', 'path_walk', 'status', 'thread_pool', 'volume', 'watch_job'),
    join(HERE, 'spy.cc'),
  ],
};

export const WARNINGS = ['-std=c++17', '-Wall', '-Wextra', '-Werror'] as const;

const MAX_COMPILERS = 2;
const COMPILE_TIMEOUT_MS = 180_000;

/** Runs to the end and gives what it printed; rejects with that where it ends badly. */
function run(
  command: string,
  args: readonly string[],
  timeoutMs: number,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const options = {
    env,
    timeout: timeoutMs,
    killSignal: 'SIGKILL' as const,
    maxBuffer: 1 << 24,
  };
  return new Promise((resolve, reject) => {
    execFile(command, args, options, (error, stdout, stderr) => {
      if (error === null) {
        resolve(`${stdout}${stderr}`);
        return;
      }
      const how = error.killed ? `no end within ${timeoutMs} ms` : `ended with ${error.code}`;
      const [found] = /^SUMMARY: .*/m.exec(stderr) ?? [];
      const what = found === undefined ? how : `${how}: ${found}`;
      reject(new Error(`${basename(command)} ${what}\n${stdout}${stderr}`));
    });
  });
}

/** What pkg-config says of libgfapi's headers. */
export async function gfapiFlags(): Promise<string[]> {
  const flags = await run('pkg-config', ['--cflags', 'glusterfs-api'], 10_000);
  return flags.trim().split(/\s+/);
}

let compilers = 0;
const waiting: (() => void)[] = [];

/** Runs the compiler, a few at a time; gives what it said. */
export async function compile(args: readonly string[]): Promise<string> {
  while (compilers >= MAX_COMPILERS) {
    await new Promise<void>((resolve) => waiting.push(resolve));
  }
  compilers++;
  try {
    return await run('g++', args, COMPILE_TIMEOUT_MS);
  } finally {
    compilers--;
    waiting.shift()?.();
  }
}

/** The functions that spy.cc stands in front of. */
function wrapped(): string[] {
  const source = readFileSync(join(HERE, 'spy.cc'), 'utf8');
  const names = [...source.matchAll(/__wrap_(\w+)\(/g)].map(([, name]) => name);
  return [...new Set(names)].map((name) => `-Wl,--wrap=${name}`);
}

/** A folder for objects and programs. Nothing is compiled twice. `close` it at the end. */
export class Workshop {
  readonly #made = new Map<string, Promise<string>>();

  private constructor(readonly dir: string) {}

  static async open(): Promise<Workshop> {
    const dir = await mkdtemp(join(tmpdir(), 'gfserve-native-'));
    // A test becomes an ordinary user, who must still reach what it needs.
    await chmod(dir, 0o755);
    for (const name of ['lsan.supp', 'tsan.supp'])
      await copyFile(join(HERE, name), join(dir, name));
    return new Workshop(dir);
  }

  /** Takes the folder away. */
  async close(): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }

  /** Compiles a program, unless that was done, and gives its path. */
  program(name: string, kind: Kind, sanitizer: Sanitizer): Promise<string> {
    return this.#once(`${name}-${sanitizer}`, async (output) => {
      const objects = await Promise.all(
        [join(HERE, `${name}.cc`), ...SOURCES[kind]].map((source) =>
          this.#object(source, sanitizer),
        ),
      );
      const libraries = kind === 'alone' ? ['-luv'] : [...wrapped(), '-lgfapi'];
      await compile([...SANITIZERS[sanitizer], ...objects, ...libraries, '-o', output]);
    });
  }

  #object(source: string, sanitizer: Sanitizer): Promise<string> {
    return this.#once(`${basename(source, '.cc')}-${sanitizer}.o`, async (output) => {
      const flags = [...WARNINGS, '-O1', '-g1', ...SANITIZERS[sanitizer], ...(await gfapiFlags())];
      await compile([...flags, '-c', source, '-o', output]);
    });
  }

  #once(name: string, make: (output: string) => Promise<void>): Promise<string> {
    const output = join(this.dir, name);
    const made = this.#made.get(name) ?? make(output).then(() => output);
    this.#made.set(name, made);
    return made;
  }

  /** Runs a program; rejects when a check fails or a sanitizer finds something. */
  async run(path: string, args: readonly string[], timeoutMs: number): Promise<string> {
    return await run(path, args, timeoutMs, {
      ...process.env,
      ASAN_OPTIONS: 'detect_leaks=1',
      LSAN_OPTIONS: `suppressions=${join(this.dir, 'lsan.supp')}:print_suppressions=0`,
      TSAN_OPTIONS: `suppressions=${join(this.dir, 'tsan.supp')}:halt_on_error=1`,
      UBSAN_OPTIONS: 'print_stacktrace=1',
    });
  }
}
