/**
 * Open-loop load: so many requests a second to each target, whatever comes back. A closed loop would wait for a
 * server that hangs, and so ask it for less the worse it does.
 */
import { createHash } from 'node:crypto';
import http from 'node:http';
import { delay } from '../../test/support/cluster/exec.js';
import type { DataFile } from '../dataset/parts.js';

/** Requests a second to each target. */
export const RATE = 20;
/** A client gives up after so long, connecting included. */
export const CLIENT_TIMEOUT_MS = 15_000;

/** What came of one request. */
export interface Answer {
  readonly kind: 'right' | 'failed' | 'timed out';
  /** `status 504`, `wrong bytes`, `ECONNRESET`; '' when it was right. */
  readonly why: string;
  readonly ms: number;
}

export interface Target {
  /** What the report calls it. */
  readonly name: string;
  /** What comes before a file's path in the URL. */
  readonly prefix: string;
  readonly files: readonly DataFile[];
}

function outcomeOf(response: http.IncomingMessage, sha256: string, file: DataFile): string {
  if (response.statusCode !== 200) return `status ${response.statusCode}`;
  if (!response.complete) return 'cut off';
  return sha256 === file.sha256 ? '' : 'wrong bytes';
}

/** Never rejects. Each request has a connection of its own, as uWSGI keeps none. */
export function ask(port: number, path: string, file: DataFile): Promise<Answer> {
  return new Promise((resolve) => {
    const start = performance.now();
    const end = (kind: Answer['kind'], why: string): void => {
      clearTimeout(timer);
      resolve({ kind, why, ms: performance.now() - start });
    };
    const request = http.get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      const hash = createHash('sha256');
      const finish = (): void => {
        const why = outcomeOf(response, hash.digest('hex'), file);
        end(why === '' ? 'right' : 'failed', why);
      };
      response.on('data', (data: Buffer) => hash.update(data));
      response.once('end', finish).once('error', () => end('failed', 'cut off'));
    });
    const timer = setTimeout(() => {
      end('timed out', 'timed out');
      request.destroy();
    }, CLIENT_TIMEOUT_MS);
    request.on('error', (error: NodeJS.ErrnoException) => {
      end('failed', error.code ?? error.message);
    });
  });
}

/**
 * Asks each target's files in turn for `seconds`.
 * @returns when the last request has been sent, and, later, the answers of each target by its name
 */
export function openLoop(
  port: number,
  targets: readonly Target[],
  seconds: number,
  goesOn: () => boolean,
): { readonly sent: Promise<void>; readonly answers: Promise<Map<string, Answer[]>> } {
  const pending = new Map<string, Promise<Answer>[]>(targets.map(({ name }) => [name, []]));
  const send = async (): Promise<void> => {
    const start = performance.now();
    for (let turn = 0; turn < seconds * RATE && goesOn(); turn++) {
      // Against the clock, not from one to the next: what is late is caught up with.
      await delay(Math.max(0, start + (turn * 1000) / RATE - performance.now()));
      for (const { name, prefix, files } of targets) {
        const file = files[turn % files.length];
        if (file !== undefined) {
          pending.get(name)?.push(ask(port, `${prefix}${file.path}`, file));
        }
      }
    }
    await delay(Math.max(0, start + seconds * 1000 - performance.now()));
  };
  const sent = send();
  const answers = sent.then(async () => {
    const all = new Map<string, Answer[]>();
    for (const [name, own] of pending) all.set(name, await Promise.all(own));
    return all;
  });
  return { sent, answers };
}
