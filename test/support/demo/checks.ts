/** `--check`: is what gfserve sends what is on the volumes? */
import { type FileHandle, open, readFile, rename, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { get } from '../client.js';
import { until } from '../gfserve.js';
import { ODD_NAME } from './content.js';
import { say, size } from './progress.js';
import type { World } from './world.js';

/** No byte for so long is a failure. */
const IDLE_MS = 20_000;

/** Returns what to say about it; throws when it fails. */
type Check = () => Promise<string>;

/** Runs all checks, with a line for each. @returns whether all went well */
export async function runChecks(world: World, stop: AbortSignal): Promise<boolean> {
  const checks = checksOf(world);
  const width = Math.max(...Object.keys(checks).map((name) => name.length));
  let failed = 0;
  say();
  for (const [name, check] of Object.entries(checks)) {
    stop.throwIfAborted();
    try {
      say(`  ok    ${name.padEnd(width)}  ${await check()}`);
    } catch (error) {
      failed += 1;
      const why = error instanceof Error ? error.message : String(error);
      say(`  FAIL  ${name.padEnd(width)}  ${why}`);
    }
  }
  say();
  return failed === 0;
}

function checksOf({ ports: { http: port }, mounts }: World): Record<string, Check> {
  const { unbit001, downloads } = mounts;
  const same = (path: string, file: string, type: string): Check => {
    return () => compare(port, path, file, type);
  };
  const [html, binary] = ['text/html; charset=utf-8', 'application/octet-stream'];
  const odd = `/files/${encodeURIComponent(ODD_NAME)}`;
  return {
    'a page': same('/', join(unbit001, 'index.html'), html),
    'a style sheet': same('/style.css', join(unbit001, 'style.css'), 'text/css; charset=utf-8'),
    'a drawing': same(
      '/art/way.svg',
      join(unbit001, 'art/way.svg'),
      'image/svg+xml; charset=utf-8',
    ),
    'an image': same('/pictures/waves.png', join(unbit001, 'pictures/waves.png'), 'image/png'),
    'an odd name': same(odd, join(unbit001, 'files', ODD_NAME), 'text/plain; charset=utf-8'),
    'a large file': same('/files/large.bin', join(unbit001, 'files/large.bin'), binary),
    'a page of /foo': same('/foo/', join(downloads, 'index.html'), html),
    'an image of /foo': same('/foo/dusk.png', join(downloads, 'dusk.png'), 'image/png'),
    'a large file of /foo': same('/foo/medium.bin', join(downloads, 'medium.bin'), binary),
    HEAD: () => head(port, '/'),
    'a range': () => range(port, '/files/large.bin', join(unbit001, 'files/large.bin')),
    'no change': () => unchanged(port, '/pictures/waves.png'),
    'a compressed file': () => compressed(port, '/style.css', join(unbit001, 'style.css')),
    'a redirect rule': () => redirected(port, '/download', '/files/large.bin', 302),
    'a listing': () => listed(port, '/browse/files/', [ODD_NAME, 'large.bin']),
    'a missing file': () => missing(port, '/files/missing.txt'),
    'a directory': () => redirected(port, '/pictures', '/pictures/'),
    'an edit': () => edited(port, '/files/notes.txt', join(unbit001, 'files/notes.txt')),
  };
}

function expect(what: string, actual: unknown, wanted: unknown): void {
  if (actual !== wanted) throw new Error(`${what} is ${String(actual)}, not ${String(wanted)}`);
}

/** Whether a path gives the bytes of a file, which is read through the FUSE mount. */
async function compare(port: number, path: string, file: string, type: string): Promise<string> {
  const volume = await open(file);
  try {
    const begin = performance.now();
    const { size: bytes } = await volume.stat();
    const answer = await stream(port, path);
    expect('the status', answer.statusCode, 200);
    expect('Content-Type', answer.headers['content-type'], type);
    expect('Content-Length', answer.headers['content-length'], String(bytes));
    let offset = 0;
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      const wanted = await readAt(volume, offset, chunk.length);
      if (!chunk.equals(wanted)) throw new Error(`differs from the volume's after byte ${offset}`);
      offset += chunk.length;
    }
    expect('the number of bytes', offset, bytes);
    const seconds = ((performance.now() - begin) / 1000).toFixed(2);
    return `${decodeURIComponent(path)}: ${size(bytes)}, the same as on the volume (${seconds} s)`;
  } finally {
    await volume.close();
  }
}

/** An answer whose body is read as it is wanted. */
function stream(port: number, path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, agent: false, timeout: IDLE_MS } as const;
    const sent = request(options, resolve);
    sent.on('timeout', () => sent.destroy(new Error(`nothing came for ${IDLE_MS / 1000} s`)));
    sent.on('error', reject);
    sent.end();
  });
}

/** FileHandle.read may give less than it is asked for. */
async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

async function head(port: number, path: string): Promise<string> {
  const [whole, answer] = [await get(port, path), await get(port, path, { method: 'HEAD' })];
  expect('the status', answer.status, 200);
  for (const name of ['content-length', 'content-type', 'etag', 'last-modified']) {
    expect(name, answer.headers[name], whole.headers[name]);
  }
  expect('the number of bytes', answer.body.length, 0);
  return 'the headers of GET, and no body';
}

async function missing(port: number, path: string): Promise<string> {
  expect('the status', (await get(port, path)).status, 404);
  return `${path}: 404`;
}

async function redirected(
  port: number,
  path: string,
  location: string,
  wanted = 301,
): Promise<string> {
  const { status, headers } = await get(port, path);
  expect('the status', status, wanted);
  expect('Location', headers.location, location);
  return `${path}: ${wanted} to ${location}`;
}

/** The middle of a file. */
async function range(port: number, path: string, file: string): Promise<string> {
  const volume = await open(file);
  try {
    const { size: bytes } = await volume.stat();
    const start = Math.floor(bytes / 2);
    const headers = { Range: `bytes=${start}-${start + 99_999}` };
    const answer = await get(port, path, { headers });
    expect('the status', answer.status, 206);
    const wanted = await readAt(volume, start, 100_000);
    if (!answer.body.equals(wanted)) throw new Error("differs from the volume's");
    return `${path}: ${String(answer.headers['content-range'])}, the same as on the volume`;
  } finally {
    await volume.close();
  }
}

async function unchanged(port: number, path: string): Promise<string> {
  const { etag = '' } = (await get(port, path)).headers;
  const answer = await get(port, path, { headers: { 'If-None-Match': etag } });
  expect('the status', answer.status, 304);
  expect('the number of bytes', answer.body.length, 0);
  return `${path}: 304, nothing is sent again`;
}

async function compressed(port: number, path: string, file: string): Promise<string> {
  const answer = await get(port, path, { headers: { 'Accept-Encoding': 'gzip' } });
  expect('Content-Encoding', answer.headers['content-encoding'], 'gzip');
  const text = await readFile(file);
  if (!gunzipSync(answer.body).equals(text)) throw new Error("differs from the volume's");
  return `${path}: ${answer.body.length} instead of ${text.length} bytes`;
}

async function listed(port: number, path: string, names: readonly string[]): Promise<string> {
  const { status, body } = await get(port, path);
  expect('the status', status, 200);
  for (const name of names) {
    const text = name.replace('&', '&amp;');
    if (!body.toString().includes(text)) throw new Error(`"${name}" is not on the page`);
  }
  return `${path}: a page with every name`;
}

/** Changes a file through the FUSE mount, in place and by renaming another one over it. */
async function edited(port: number, path: string, file: string): Promise<string> {
  const text = await readFile(file, 'utf8');
  const appears = async (wanted: string): Promise<string> => {
    const took = await until('the change is seen', 5_000, async () => {
      return (await get(port, path)).body.toString() === wanted;
    });
    return `${(took / 1000).toFixed(2)} s`;
  };
  await writeFile(file, `${text}One more line.\n`);
  const inPlace = await appears(`${text}One more line.\n`);
  await writeFile(`${file}.new`, `${text}Another line.\n`);
  await rename(`${file}.new`, file);
  const byRename = await appears(`${text}Another line.\n`);
  return `${path}: seen after ${inPlace} in place, ${byRename} by rename`;
}
