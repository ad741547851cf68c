/** Clients that ask for everything there is to count, and count what they get: by mount, method and status. */
import http from 'node:http';
import { get } from './client.js';

export interface Question {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** As gfserve is to count it. */
  readonly mount: string;
  readonly counted?: string;
  readonly status: number;
  /** gfserve ends the connection after it. */
  readonly closes?: boolean;
}

export class CountedLoad {
  /** `mount method status`, as it was answered. */
  readonly answers = new Map<string, number>();
  /** Bytes of bodies, by mount. */
  readonly bytes = new Map<string, number>();
  /** What was not as it should be. */
  readonly problems: string[] = [];
  #running = true;
  readonly #clients: readonly Promise<void>[];

  constructor(
    private readonly port: number,
    private readonly questions: readonly Question[],
    clients: number,
  ) {
    this.#clients = Array.from({ length: clients }, (_, index) => this.#ask(index));
  }

  get total(): number {
    return [...this.answers.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Every question that was asked has been answered when this resolves. */
  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#clients);
  }

  async #ask(index: number): Promise<void> {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = index; this.#running; i++) {
      const question = this.questions[i % this.questions.length];
      if (!question) throw new Error('there is nothing to ask');
      await this.#askOne(question, agent);
    }
    agent.destroy();
  }

  async #askOne(question: Question, agent: http.Agent): Promise<void> {
    const { method, path, headers, mount, counted = method, status, closes } = question;
    const options = { method, ...(headers ? { headers } : {}), ...(closes ? {} : { agent }) };
    try {
      const answer = await get(this.port, path, options);
      add(this.answers, `${mount} ${counted} ${answer.status}`, 1);
      add(this.bytes, mount, answer.body.length);
      if (answer.status !== status || !answer.complete) {
        this.problems.push(`${method} ${path}: ${answer.status}`);
      }
    } catch (error) {
      this.problems.push(`${method} ${path}: ${String(error)}`);
    }
  }
}

function add(counts: Map<string, number>, key: string, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}
