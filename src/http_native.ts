/**
 * What uWebSockets.js knows of requests and does not tell, or only at a call for each field, by a small native module without
 * libgfapi. It looks into objects of uWebSockets.js and V8: see docs/adr/0015-heads-are-read-where-they-lie.md.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { QuickMaker } from './http/quick.js';
import type { LineMaker } from './observe/access_log.js';

interface HttpBinding extends LineMaker, QuickMaker {
  socketOf(response: object): number;
  fieldsOf(request: object): number;
  readonly abi: number;
}

export interface HttpNative {
  /**
   * A number that stands for the connection of a response of uWebSockets.js as long as that is open. 0: it has ended, or nothing
   * can be said.
   */
  socketOf(response: object): number;
  /** Which fields a request of uWebSockets.js has, as `Has` in http/fields.ts. -1: its handler has returned, or nothing can be said. */
  fieldsOf(request: object): number;
  /** null: the module was compiled for another Node.js. */
  readonly lines: LineMaker | null;
  /** The same. */
  readonly quick: QuickMaker | null;
}

/** Objects of another Node.js than it was compiled for look different inside. */
const BLIND: HttpNative = { socketOf: () => 0, fieldsOf: () => -1, lines: null, quick: null };

/** Throws when it was not built. */
export function loadHttpNative(modules: string | undefined = process.versions.modules): HttpNative {
  const file = fileURLToPath(new URL('../../build/Release/gfserve_http.node', import.meta.url));
  const binding = createRequire(import.meta.url)(file) as HttpBinding;
  if (String(binding.abi) !== modules) return BLIND;
  const { socketOf, fieldsOf } = binding;
  return { socketOf, fieldsOf, lines: binding, quick: binding };
}
