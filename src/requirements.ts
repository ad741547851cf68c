import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Problem } from './preflight.js';

const OLDEST_NODE = 20;
const NEWEST_NODE = 22;
const LOAD_TIMEOUT_MS = 20_000;

/** `version` as process.versions.node has it. uWebSockets.js comes compiled, for these versions only. */
export function nodeProblem(version: string): Problem | null {
  const major = Number.parseInt(version, 10);
  return major >= OLDEST_NODE && major <= NEWEST_NODE
    ? null
    : {
        code: 'GFS_ADDON',
        message: `gfserve needs Node 20 or 22, and this is ${version}: install one of them and run "npm ci" in gfserve's folder with it`,
      };
}

/** Tries in another process whether the native modules load. Takes about 0.1 s. */
export function nativesProblem(): Promise<Problem | null> {
  const file = fileURLToPath(new URL('./load_natives.js', import.meta.url));
  return new Promise((resolve) => {
    execFile(process.execPath, [file], { timeout: LOAD_TIMEOUT_MS }, (error, _stdout, stderr) => {
      if (!error) resolve(null);
      else resolve({ code: 'GFS_ADDON', message: explainLoad(stderr, error.signal ?? null) });
    });
  });
}

/** What to do about what Node printed when a native module did not load. */
export function explainLoad(stderr: string, signal: string | null): string {
  const reason = /^(?:\w*Error\b.*?|.*error while loading.*)$/m.exec(stderr)?.[0] ?? stderr.trim();
  const rebuild = 'run "npm ci" in gfserve\'s folder';
  if (signal !== null) return `loading the native addon ended with ${signal}: ${rebuild}`;
  if (/libgfapi|libglusterfs|libgfrpc|libgfxdr/.test(reason)) {
    return `GlusterFS' client library is missing: "apt-get install libgfapi0" (${reason})`;
  }
  if (/uWebSockets|uws_/i.test(reason)) {
    return `uWebSockets.js does not load; it needs Node 20 or 22 and glibc 2.27 or later: ${rebuild} (${reason})`;
  }
  if (/Cannot find module .*gfserve(_system|_http)?\.node/.test(reason)) {
    return `the native addon is not built: "apt-get install libglusterfs-dev pkg-config g++ make python3", then ${rebuild}`;
  }
  return `the native addon does not load: ${rebuild} (${reason})`;
}
