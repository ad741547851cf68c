/** TCP ports for what the tests and benchmarks start. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below those that the kernel gives to connections (32768 on), one of which could take the port before it is listened on. */
const FIRST = 10_000;
const END = 32_000;

/** A TCP port of 127.0.0.1 that nothing listens on. Chosen at random, as others who look at the same time are to find others. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = randomInt(FIRST, END);
    if (await isFree(port)) return port;
  }
  throw new Error('no port of 127.0.0.1 is free');
}

/** Whether `port` of 127.0.0.1 could be listened on a moment ago. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      server.close(() => resolve(true));
    });
  });
}
