/** A peer that speaks HTTP. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Load, Shots, Task, Timing } from '../load/load.js';
import { type Plan, planText, type ReadyRequest, readyRequest } from '../load/plan.js';
import { runTransfers } from '../load/transfers.js';
import { ask } from '../probe.js';
import { processTree } from '../usage.js';
import { each, verify } from '../verify.js';
import type { Daemon } from './daemon.js';
import type { Ground, Peer, Traits } from './peer.js';

export interface HttpPeerOptions {
  readonly name: string;
  readonly daemon: Daemon;
  readonly setup: string;
  readonly traits: Traits;
  readonly helper?: Helper;
}

/** What works for it, besides its own processes. */
export interface Helper {
  pids(): Promise<readonly number[]>;
  /** Has the kernel drop the contents of the files at these URL paths. */
  forget(paths: readonly string[]): Promise<void>;
  /** Starts it anew, while the daemon does not run. */
  renew(): Promise<void>;
}

/** Of one file, after a new start: what is slow in a process that has only begun is not what is measured. */
const FIRST_REQUESTS = 1000;

/** Tells a request from all others. */
const keyOf = ({ path, headers }: ReadyRequest): string =>
  [path, ...Object.values(headers)].join('\t');

export class HttpPeer implements Peer {
  readonly setup: string;
  readonly port: number;
  readonly #etags = new Map<string, string>();
  readonly #verified = new Set<string>();
  readonly #shots = new Map<Plan, Omit<Shots, 'connections'>>();

  constructor(
    private readonly ground: Ground,
    private readonly options: HttpPeerOptions,
  ) {
    this.setup = options.setup;
    this.port = options.daemon.port;
  }

  async pids(): Promise<readonly number[]> {
    const { daemon, helper } = this.options;
    return [...(await processTree(daemon.pid)), ...((await helper?.pids()) ?? [])];
  }

  async prepare({ plan }: Task): Promise<string> {
    const { port, ground, options } = this;
    await this.#readEtags(plan);
    const requests = plan.requests.map((request) => {
      const path = request.kind === 'absent' ? request.path : request.file.path;
      return readyRequest(request, this.#etags.get(path) ?? null);
    });
    const planFile = join(ground.workDir, `${options.name}-${plan.name}.plan`);
    await writeFile(planFile, planText(requests));
    const { framesErrors } = options.traits;
    this.#shots.set(plan, { port, requests, planFile, framesErrors });
    const fresh = requests.filter((request) => !this.#verified.has(keyOf(request)));
    const count = await verify(port, fresh);
    for (const request of fresh) this.#verified.add(keyOf(request));
    const already = requests.length - fresh.length;
    return `${count} of ${requests.length} requests answered right${already > 0 ? `, ${already} before` : ''}`;
  }

  /** Asks for the ETags that the plan's conditional requests need. */
  async #readEtags({ requests }: Plan): Promise<void> {
    if (!this.options.traits.ranges) return;
    const paths = requests.flatMap((request) =>
      request.kind === 'unchanged' && !this.#etags.has(request.file.path)
        ? [request.file.path]
        : [],
    );
    await each(paths, async (agent, path) => {
      const { etag } = (await ask(agent, this.port, { path, headers: {} }, 'HEAD')).headers;
      if (etag === undefined) throw new Error(`${path}: no ETag`);
      this.#etags.set(path, etag);
    });
  }

  run(task: Task, timing: Timing): Promise<Load> {
    const { kind, plan, connections } = task;
    const prepared = this.#shots.get(plan);
    if (prepared === undefined) throw new Error(`${plan.name} was not prepared`);
    const shots = { ...prepared, connections };
    switch (kind) {
      case 'requests':
        return this.ground.generator(shots, timing);
      case 'transfers':
        return runTransfers(shots, timing);
      default: {
        const impossible: never = kind;
        throw new Error(`unknown work ${String(impossible)}`);
      }
    }
  }

  async forget({ plan }: Task): Promise<void> {
    const requests = this.#shots.get(plan)?.requests ?? [];
    await this.options.helper?.forget(requests.map(({ path }) => path));
  }

  async renew({ plan }: Task): Promise<void> {
    const { daemon, helper } = this.options;
    await daemon.restart(() => helper?.renew() ?? Promise.resolve());
    const [first] = this.#shots.get(plan)?.requests ?? [];
    if (first) await verify(this.port, Array<ReadyRequest>(FIRST_REQUESTS).fill(first));
  }

  stop(): Promise<void> {
    return this.options.daemon.stop();
  }
}
