/** Which ports of 127.0.0.1 the demo's gfserve gets. */
import { freePort, isFree } from '../ports.js';
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
  if (await isFree(wanted)) return { http: wanted, admin: await adminPort() };
  if (check && port === null) return { http: await freePort(), admin: await adminPort() };
  throw new Error(
    `port ${wanted} of 127.0.0.1 is taken ("ss -ltnp sport = :${wanted}" says by whom); ` +
      'stop what listens there, or choose another one: npm run demo -- --port N',
  );
}

async function adminPort(): Promise<number> {
  return (await isFree(ADMIN_PORT)) ? ADMIN_PORT : await freePort();
}
