/** How a gfserve that was started for it takes the place of the one that runs. */
import type { AdminPort } from './admin_port.js';
import type { Config } from './config/types.js';
import type { Generations } from './generations.js';
import { type Logger, oneLine } from './observe/log.js';
import { takePidFile } from './pid_file.js';
import type { Inheritance, Predecessor } from './predecessor.js';
import { unixPaths } from './sockets.js';

export interface TakeOver {
  readonly predecessor: Predecessor;
  readonly config: Config;
  readonly generations: Generations;
  readonly admin: AdminPort;
  /** Resolves when all workers are ready. */
  readonly ready: Promise<void>;
  /** Resolves when they can't be, with the reasons. */
  readonly hopeless: Promise<readonly string[]>;
  /** Resolves with a signal that ends it all. */
  readonly signal: Promise<string>;
}

/** null: this gfserve is the one that runs from now on. Else why not; the other one goes on. */
export async function takeOver(parts: TakeOver): Promise<readonly string[] | null> {
  const { predecessor, config, generations, admin } = parts;
  const obstacle = await Promise.race([
    parts.ready.then(() => null),
    parts.hopeless.then((reasons) => reasons.map((each) => `no worker can start: ${each}`)),
    parts.signal.then((signal) => [`the new gfserve got ${signal}`]),
    predecessor.stopped.then(() => ['it was called off']),
    predecessor.gone.then(() => [`process ${predecessor.pid} is gone`]),
  ]);
  if (obstacle) return obstacle;
  if ((await predecessor.ready(unixPaths(config))) === 'gone') return ['it was called off'];
  const { pidFile } = config.server;
  const errno = pidFile === null ? null : takePidFile(pidFile);
  if (errno !== null) return [`[server] pid-file ${pidFile}: it can't be written (${errno})`];
  const problem = await admin.adopt();
  if (problem) return [`${problem.code}: ${problem.message}`];
  predecessor.taken();
  generations.inherit();
  return null;
}

/** What was started ends again; nobody else notices. */
export async function giveUp(
  reasons: readonly string[],
  { predecessor, generations, admin }: Pick<TakeOver, 'predecessor' | 'generations' | 'admin'>,
  { held }: Inheritance,
  log: Logger,
): Promise<void> {
  for (const reason of reasons) log.error(oneLine(reason));
  await predecessor.failed(reasons);
  admin.leave(held.paths);
  // Once called off at once, nothing is waited for.
  void predecessor.stopped.then((atOnce) => atOnce && generations.kill());
  const { finished, cut } = await generations.leave(held.paths);
  log.info(`upgrade: given up: ${finished} requests finished, ${cut} cut off`);
}
