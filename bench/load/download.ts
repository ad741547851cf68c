/** Connections that read a large file as fast as it comes: plain sockets, a buffer each, nothing kept. */
import { connect } from 'node:net';
import type { DataFile } from '../dataset/parts.js';
import { errorText, type Load } from './load.js';

const BUFFER = 1024 * 1024;
/** No byte for so long is an error. */
const STALL_MS = 30_000;

interface Head {
  readonly status: number;
  readonly contentLength: number;
  /** Where the body begins. */
  readonly end: number;
}

/** null: not whole yet. */
function parseHead(bytes: Buffer): Head | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const text = bytes.toString('latin1', 0, end);
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0);
  const contentLength = Number(/^content-length:\s*(\d+)/im.exec(text)?.[1] ?? Number.NaN);
  return { status, contentLength, end: end + 4 };
}

/** What is wrong with an answer by its head; null: nothing. */
function problemOf({ status, contentLength }: Head, size: number): string | null {
  if (status !== 200) return `status ${status}`;
  return contentLength === size ? null : `announced ${contentLength} bytes`;
}

interface Download {
  /** All that came, the head too. */
  readonly bytes: number;
  /** Whether all of it has come; not so where time was up. */
  readonly whole: boolean;
  /** What went wrong; null: nothing. */
  readonly problem: string | null;
}

/** @param forMs it is cut off after so many milliseconds */
function downloadOnce(port: number, { path, size }: DataFile, forMs: number): Promise<Download> {
  return new Promise((resolve) => {
    const buffer = Buffer.allocUnsafe(BUFFER);
    let early: Buffer = Buffer.alloc(0);
    let head: Head | null = null;
    let problem: string | null = null;
    let bytes = 0;
    const finish = (outcome: string | null, cut = false): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ bytes, whole: outcome === null && !cut, problem: outcome });
    };
    const timer = setTimeout(() => finish(null, true), forMs);
    const take = (count: number): void => {
      bytes += count;
      if (head === null) {
        early = Buffer.concat([early, buffer.subarray(0, count)]);
        head = parseHead(early);
        if (head === null) return;
        problem = problemOf(head, size);
      }
      const whole = head.end + size;
      if (problem !== null) finish(problem);
      else if (bytes >= whole) finish(bytes === whole ? null : 'too many bytes');
    };
    const socket = connect({
      host: '127.0.0.1',
      port,
      onread: {
        buffer,
        callback: (count) => {
          take(count);
          return true;
        },
      },
    });
    socket.setTimeout(STALL_MS, () => finish('stalled'));
    socket.on('error', (error) => finish(error.message));
    socket.on('end', () => finish('ended early'));
    socket.on('connect', () => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
    });
  });
}

export interface DownloadOptions {
  readonly port: number;
  readonly file: DataFile;
  readonly connections: number;
  readonly seconds: number;
}

/** Each connection downloads again and again; what is under way when the time has passed is cut off. */
export async function runDownloads(options: DownloadOptions): Promise<Load> {
  const { port, file, connections, seconds } = options;
  const problems: Record<string, number> = {};
  let [requests, bytes, errors] = [0, 0, 0];
  const cpu = process.cpuUsage();
  const start = performance.now();
  const elapsed = (): number => (performance.now() - start) / 1000;
  const download = async (): Promise<void> => {
    while (elapsed() < seconds && errors < 3) {
      const left = (seconds - elapsed()) * 1000;
      const { bytes: came, whole, problem } = await downloadOnce(port, file, left);
      bytes += came;
      if (whole) requests += 1;
      if (problem !== null) {
        errors += 1;
        problems[problem] = (problems[problem] ?? 0) + 1;
      }
    }
  };
  await Promise.all(Array.from({ length: connections }, download));
  if (bytes === 0 && errors === 0) {
    errors = 1;
    problems['nothing came'] = 1;
  }
  const { user, system } = process.cpuUsage(cpu);
  return {
    requests,
    seconds: elapsed(),
    bytes,
    errors,
    errorText: errorText(problems),
    latency: null,
    loadCpuSeconds: (user + system) / 1e6,
  };
}
