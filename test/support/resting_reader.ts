/** A client that takes a file with long rests, in which it reads nothing. */
import { createHash } from 'node:crypto';
import http from 'node:http';

export interface Rest {
  /** Bytes of the body after which it rests. */
  readonly at: number;
  /** It goes on when this resolves. */
  until(): Promise<void>;
}

export interface Received {
  readonly status: number;
  readonly bytes: number;
  readonly sha256: string;
  /** Every announced byte came. */
  readonly complete: boolean;
}

/** Rejects when there is no answer at all, or with what a rest rejects with. */
export function readWithRests(
  port: number,
  path: string,
  rests: readonly Rest[],
): Promise<Received> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      const hash = createHash('sha256');
      const left = [...rests];
      let bytes = 0;
      response.on('data', (data: Buffer) => {
        bytes += data.length;
        hash.update(data);
        const [next] = left;
        // What Node had read already may still come after pause(): that is no further rest.
        if (!next || bytes < next.at || response.isPaused()) return;
        left.shift();
        response.pause();
        next.until().then(
          () => response.resume(),
          (error: unknown) => {
            request.destroy();
            reject(error instanceof Error ? error : new Error(String(error)));
          },
        );
      });
      let finished = false;
      const finish = (complete: boolean): void => {
        if (finished) return;
        finished = true;
        const status = response.statusCode ?? 0;
        resolve({ status, bytes, sha256: hash.digest('hex'), complete });
      };
      response.on('end', () => finish(response.complete));
      response.on('error', () => finish(false));
    });
    request.on('error', reject);
  });
}
