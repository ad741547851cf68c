/** A number of requests, no more and no fewer, each of which has to be answered right. */
import net from 'node:net';

export interface ExactLoad {
  readonly port: number;
  readonly path: string;
  readonly count: number;
  readonly connections: number;
  /** The body of each answer; its status has to be 200. */
  readonly expected: string;
  readonly stop?: AbortSignal;
}

export interface ExactResult {
  readonly answered: number;
  /** What went wrong; a connection that meets something asks no more. */
  readonly problems: readonly string[];
}

/** Resolves when all have been answered, or no connection is left. */
export async function askExactly(load: ExactLoad): Promise<ExactResult> {
  const left = { count: load.count };
  const results = await Promise.all(
    Array.from({ length: load.connections }, () => ask(load, left)),
  );
  return {
    answered: results.reduce((sum, { answered }) => sum + answered, 0),
    problems: results.flatMap(({ problem }) => (problem === null ? [] : [problem])),
  };
}

interface Asked {
  readonly answered: number;
  readonly problem: string | null;
}

function ask(load: ExactLoad, left: { count: number }): Promise<Asked> {
  const { port, path, expected, stop } = load;
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    let answered = 0;
    let received = '';
    const end = (problem: string | null): void => {
      resolve({ answered, problem });
      socket.destroy();
    };
    const next = (): void => {
      if (left.count === 0 || stop?.aborted) {
        end(null);
        return;
      }
      left.count -= 1;
      socket.write(request);
    };
    socket.on('connect', next);
    socket.on('data', (data) => {
      received += data.toString('latin1');
      const body = received.indexOf('\r\n\r\n') + 4;
      if (body < 4 || received.length < body + expected.length) return;
      if (!received.startsWith('HTTP/1.1 200 ') || received.slice(body) !== expected) {
        end(`an answer: ${received.slice(0, 300)}`);
        return;
      }
      received = '';
      answered += 1;
      next();
    });
    socket.on('error', (error) => end(error.message));
    socket.on('close', () => end('closed'));
  });
}
