/**
 * What ending.test.ts runs in a process of its own: environments of Node that end while the addon is at work in them.
 * Arguments: the server, the volume and what to do.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { ROOT } from './programs.js';

interface Binding {
  start(
    onCompletions: (count: number) => void,
    onEvent: (volume: number, kind: number) => void,
    onNotices: (count: number) => void,
  ): { rows: Float64Array };
  connect(spec: object): number;
  addRoot(path: string, policy: number): number;
  open(
    volume: number,
    token: number,
    root: number,
    path: string,
    inlineLimit: number,
    firstChunk: number,
    firstOffset: number,
    flags: number,
    knownGfid: string,
    trustMs: number,
  ): number;
  release(volume: number, file: number): void;
  block(id: number): ArrayBuffer;
  recycle(id: number): void;
  trim(buffers: readonly (ArrayBuffer | undefined)[]): number[];
  close(volume: number): void;
}

const COLUMNS = 19;
const JOBS = 200;

const args: readonly string[] = isMainThread ? process.argv.slice(2) : workerData;
const [server = '', volname = '', task = ''] = args;
const file = join(ROOT, 'build', 'Release', 'gfserve.node');
const binding = createRequire(import.meta.url)(file) as Binding;

const check = (condition: boolean, what: string): void => {
  if (!condition) throw new Error(what);
};

let onCompletion: (row: number) => void = () => undefined;
let onEvent: (kind: number) => void = () => undefined;
const { rows } = binding.start(
  (count) => {
    for (let row = 0; row < count; row++) onCompletion(row * COLUMNS);
  },
  (_volume, kind) => onEvent(kind),
  () => undefined,
);

async function connect(): Promise<number> {
  const volume = binding.connect({
    volname,
    volfile: '',
    volfileText: '',
    servers: [{ transport: 'tcp', host: server, port: 24007 }],
    options: [],
    logFile: '/dev/null',
    logLevel: 4,
    threads: 4,
    maxQueue: 1000,
    handleCapacity: 1000,
  });
  const kind = await new Promise((resolve) => {
    onEvent = resolve;
  });
  check(kind === 0, 'not connected');
  return volume;
}

/** Keeps jobs in flight for ever. */
async function work(): Promise<void> {
  const volume = await connect();
  const root = binding.addRoot('/ending', 1);
  const open = (token: number): void => {
    const path = token % 3 === 0 ? 'large' : 'small';
    check(binding.open(volume, token, root, path, 262144, 65536, 0, 1, '', 1000) === 0, 'refused');
  };
  onCompletion = (at) => {
    check(rows[at + 1] === 0, `status ${rows[at + 1]}`);
    if ((rows[at + 12] ?? -1) >= 0) binding.recycle(rows[at + 12] ?? -1);
    if ((rows[at + 11] ?? 0) > 0) binding.release(volume, rows[at + 11] ?? 0);
    open(rows[at] ?? 0);
  };
  for (let token = 0; token < JOBS; token++) open(token);
}

/** A block's memory must be out of JavaScript's reach before it goes back to the kernel. */
async function detach(): Promise<void> {
  const volume = await connect();
  const root = binding.addRoot('/ending', 1);
  check(binding.open(volume, 7, root, 'small', 262144, 65536, 0, 1, '', 1000) === 0, 'refused');
  await new Promise<void>((resolve) => {
    onCompletion = () => resolve();
  });
  const id = rows[12] ?? -1;
  const buffer = binding.block(id);
  const view = new Uint8Array(buffer, 0, rows[13]);
  check(view.length === 5 && view[0] === 's'.charCodeAt(0), 'wrong content');
  binding.recycle(id);
  const buffers: (ArrayBuffer | undefined)[] = [];
  buffers[id] = buffer;
  binding.trim(buffers);
  check(binding.trim(buffers).includes(id), 'not trimmed');
  check(buffer.byteLength === 0 && view.length === 0 && view[0] === undefined, 'not detached');
  binding.close(volume);
}

async function terminateWorkers(): Promise<void> {
  for (let round = 0; round < 6; round++) {
    const worker = new Worker(new URL(import.meta.url), { workerData: [server, volname, 'work'] });
    await new Promise((resolve) => worker.once('message', resolve));
    await sleep(round * 5);
    await worker.terminate();
  }
}

switch (task) {
  case 'work':
    await work();
    parentPort?.postMessage('at work');
    break;
  case 'nothing':
    break;
  case 'detach':
    await detach();
    break;
  case 'workers':
    await terminateWorkers();
    break;
  case 'exit':
    await work();
    setTimeout(() => process.exit(0), 50);
    break;
  default:
    throw new Error(`unknown task ${task}`);
}
