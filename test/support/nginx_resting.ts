/** Clients of an nginx that rest for longer than uWebSockets.js, left alone, would wait for them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Gfserve, until } from './gfserve.js';
import type { Nginx } from './nginx.js';
import { type Received, readWithRests } from './resting_reader.js';

/**
 * Seconds: all are longer than the 8 to 12 s after which uWebSockets.js ends a connection that takes nothing, one is longer
 * than nginx's proxy_read_timeout of 15 s.
 */
export const RESTS: readonly number[] = [14, 14, 18, 14, 14, 14];

/** More than all buffers between gfserve and a client hold. */
const BETWEEN_RESTS = 40 * 2 ** 20;

/** What is going on; whoever started it may await it whenever he likes. */
export interface Resting {
  /** Takes the file whole, with rests. */
  readonly reader: Promise<Received>;
  /** Takes the beginning, and rests until gfserve has given it up. */
  readonly idler: Promise<Received>;
  /** Bytes that nginx had read from gfserve for the reader at the end of each of its rests. */
  readonly seen: readonly number[];
  /** How long the idler rested before it was given up. */
  idledMs(): number;
}

/**
 * Each client needs an nginx for itself. gfserve must write its access log to its standard output, and the file must be
 * larger than all rests need.
 */
export function startResting(
  forReader: Nginx,
  forIdler: Nginx,
  path: string,
  server: Gfserve,
): Resting {
  const before = forReader.bytesFromUpstream();
  const seen: number[] = [];
  const rests = RESTS.map((seconds, index) => ({
    at: 1 + index * BETWEEN_RESTS,
    until: async (): Promise<void> => {
      await stillFor(forReader, seconds);
      seen.push(forReader.bytesFromUpstream() - before);
    },
  }));
  const reader = readWithRests(forReader.port, path, rests);
  const ofIdler = `${path}?idler=${forIdler.port}`;
  let idled = 0;
  const givenUp = async (): Promise<void> => {
    idled = await until('gfserve gives a client up', 180_000, () => server.log.includes(ofIdler));
  };
  const idler = readWithRests(forIdler.port, ofIdler, [{ at: 1, until: givenUp }]);
  // Whoever awaits them will see it; until then nobody has to.
  for (const promise of [reader, idler]) promise.catch(() => undefined);
  return { reader, idler, seen, idledMs: () => idled };
}

/** Resolves when an nginx has taken nothing from gfserve for so long. */
async function stillFor(nginx: Nginx, seconds: number): Promise<void> {
  let bytes = nginx.bytesFromUpstream();
  let since = performance.now();
  await until(`nginx reads nothing for ${seconds} s`, 60_000, async () => {
    await sleep(200);
    const now = nginx.bytesFromUpstream();
    if (now !== bytes) {
      bytes = now;
      since = performance.now();
    }
    return performance.now() - since >= seconds * 1000;
  });
}
