/**
 * Each request of a scenario is made once by each peer before it is timed, so that afterwards all are in the same
 * state: they have met all files, and none of them recently.
 */
import http from 'node:http';
import type { ReadyRequest } from './load/plan.js';
import { ask, problemOf } from './probe.js';

/** Fewer than uWSGI's threads: with kept connections it never answers more than it has threads. */
const AT_ONCE = 16;
/** Of a plan with more requests some are left out, at even distances. */
const MOST = 20_000;

/** At most `most` of the items, at even distances. */
export function sample<T>(items: readonly T[], most: number): readonly T[] {
  if (items.length <= most) return items;
  const step = items.length / most;
  return Array.from({ length: most }, (_, index) => items[Math.floor(index * step)]).filter(
    (item) => item !== undefined,
  );
}

/** Runs `work` on all items, a few at a time, until one fails. @throws what `work` throws first */
export async function each<T>(
  items: readonly T[],
  work: (agent: http.Agent, item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items].reverse();
  const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const next = async (): Promise<void> => {
    for (let item = queue.pop(); item !== undefined; item = queue.pop()) {
      try {
        await work(agent, item);
      } catch (error) {
        queue.length = 0;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next)).finally(() => agent.destroy());
}

/**
 * Compares a peer's answers with what was written.
 * @returns how many were compared
 * @throws Error that names the first that is wrong
 */
export async function verify(port: number, requests: readonly ReadyRequest[]): Promise<number> {
  const chosen = sample(requests, MOST);
  await each(chosen, async (agent, request) => {
    const what = [request.path, ...Object.values(request.headers)].join(' ');
    const problem = await ask(agent, port, request).then(
      (answer) => problemOf(request, answer),
      (error: unknown) => (error as Error).message,
    );
    if (problem !== null) throw new Error(`${what}: ${problem}`);
  });
  return chosen.length;
}
