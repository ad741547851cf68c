/**
 * Before anything is timed: does a peer serve the right bytes at all? Each file is fetched once, so that
 * afterwards every peer is in the same state: it has met all files, and none of them recently.
 */
import { createHash } from 'node:crypto';
import http from 'node:http';
import type { DataFile, Dataset } from './dataset.js';

/** Fewer than uWSGI's threads: with kept connections it never answers more than it has threads. */
const AT_ONCE = 16;
const TIMEOUT_MS = 60_000;

/** What is wrong with one file as the server at `port` serves it; null: nothing. */
function problemOf(agent: http.Agent, port: number, file: DataFile): Promise<string | null> {
  return new Promise((resolve) => {
    const options = {
      host: '127.0.0.1',
      port,
      path: file.path,
      agent,
      timeout: TIMEOUT_MS,
    } as const;
    const request = http.get(options, (response) => {
      const hash = createHash('sha256');
      const announced = Number(response.headers['content-length']);
      response.on('data', (data: Buffer) => hash.update(data));
      response.on('error', (error) => resolve(error.message));
      response.on('end', () => {
        if (response.statusCode !== 200) resolve(`status ${response.statusCode}`);
        else if (announced !== file.size) resolve(`Content-Length ${announced}`);
        else resolve(hash.digest('hex') === file.sha256 ? null : 'other bytes than were written');
      });
    });
    request.on('timeout', () => request.destroy(new Error(`nothing for ${TIMEOUT_MS} ms`)));
    request.on('error', (error) => resolve(error.message));
  });
}

/**
 * Compares all files as served with what was written.
 * @returns how many were compared
 * @throws Error that names the first file that is wrong
 */
export async function verify(port: number, dataset: Dataset): Promise<number> {
  const queue = [...dataset.small, dataset.large];
  const count = queue.length;
  const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const check = async (): Promise<void> => {
    for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
      const problem = await problemOf(agent, port, file);
      if (problem !== null) {
        queue.length = 0;
        throw new Error(`${file.path}: ${problem}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, check)).finally(() => agent.destroy());
  return count;
}
