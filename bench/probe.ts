/** One request, looked at closely: before anything is timed, does a peer answer right at all? */
import { createHash } from 'node:crypto';
import http from 'node:http';
import type { ReadyRequest } from './load/plan.js';

const TIMEOUT_MS = 60_000;

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** Of the body. */
  readonly size: number;
  readonly sha256: string;
}

export type Asked = Pick<ReadyRequest, 'path' | 'headers'>;

/** @throws Error when no whole answer comes */
export function ask(
  agent: http.Agent,
  port: number,
  { path, headers }: Asked,
  method: 'GET' | 'HEAD' = 'GET',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, headers, agent, method, timeout: TIMEOUT_MS };
    const request = http.request(options, (response) => {
      const hash = createHash('sha256');
      let size = 0;
      response.on('data', (data: Buffer) => {
        size += data.length;
        hash.update(data);
      });
      response.on('error', reject);
      response.on('end', () => {
        const status = response.statusCode ?? 0;
        resolve({ status, headers: response.headers, size, sha256: hash.digest('hex') });
      });
    });
    request.on('timeout', () => request.destroy(new Error(`nothing for ${TIMEOUT_MS} ms`)));
    request.on('error', reject);
    request.end();
  });
}

/** What is wrong with an answer; null: nothing. */
export function problemOf(wanted: ReadyRequest, answer: Answer): string | null {
  const { status, size, sha256 } = answer;
  if (status !== wanted.status) return `status ${status}, not ${wanted.status}`;
  if (wanted.sha256 === null) return null;
  if (Number(answer.headers['content-length']) !== wanted.size) {
    return `Content-Length ${answer.headers['content-length']}, not ${wanted.size}`;
  }
  if (size !== wanted.size) return `${size} bytes, not ${wanted.size}`;
  return sha256 === wanted.sha256 ? null : 'other bytes than were written';
}
