/**
 * What of the system's calls Node does not have, by a small native module without libgfapi: the supervisor may load it. It is
 * loaded at the first call.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** Each returns 0 or an errno. */
interface SystemBinding {
  keepCapabilities(bits: bigint): number;
  setCapabilities(bits: bigint): number;
  sendDatagram(path: string, text: string): number;
}

let loaded: SystemBinding | null = null;

/** Throws when it was not built. */
export function system(): SystemBinding {
  const file = fileURLToPath(new URL('../../build/Release/gfserve_system.node', import.meta.url));
  loaded ??= createRequire(import.meta.url)(file) as SystemBinding;
  return loaded;
}
