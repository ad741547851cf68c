/** Which ports of 127.0.0.1 the demo's gfserve gets. */
import { createServer } from 'node:net';
import type { Options } from './options.js';

export interface Ports {
  readonly http: number;
  readonly admin: number;
}

const HTTP_PORT = 8080;
const ADMIN_PORT = 9145;

/**
 * People get the port that they were promised, or an error; a check takes another one where nobody said which.
 * @throws Error when the port is taken
 */
export async function choosePorts({ check, port }: Options): Promise<Ports> {
  const wanted = port ?? HTTP_PORT;
  const http = await freePort(wanted);
  if (http !== wanted && !(check && port === null)) {
    throw new Error(
      `port ${wanted} of 127.0.0.1 is taken ("ss -ltnp sport = :${wanted}" says by whom); ` +
        'stop what listens there, or choose another one: npm run demo -- --port N',
    );
  }
  return { http, admin: await freePort(ADMIN_PORT) };
}

/** `wanted` where it is free, else any that is. */
async function freePort(wanted: number): Promise<number> {
  return (await tryListen(wanted)) ?? (await tryListen(0)) ?? wanted;
}

function tryListen(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      const address = server.address();
      const found = typeof address === 'object' && address !== null ? address.port : port;
      server.close(() => resolve(found));
    });
  });
}
