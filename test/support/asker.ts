/** A client that asks for the same file again and again, on one connection for as long as that is kept. */
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { get } from './client.js';

/** A proxy that has nobody behind it answers at once; nobody is helped by asking it all the time. */
const AFTER_FAILURE_MS = 10;

export class Asker {
  right = 0;
  rightSinceMark = 0;
  /** Everything else, in its order: a status, `wrong body`, or the code of a connection's error. */
  readonly wrong: string[] = [];
  /** What came last: a status, or 0. */
  last = 0;
  #running = true;
  readonly #done: Promise<void>;

  constructor(
    private readonly port: number,
    private readonly path: string,
    private readonly expected: string,
  ) {
    this.#done = this.#run();
  }

  /** Counts anew in `rightSinceMark`. */
  mark(): void {
    this.rightSinceMark = 0;
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
  }

  async #run(): Promise<void> {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    while (this.#running) {
      const outcome = await this.#ask(agent);
      if (outcome === null) {
        this.right += 1;
        this.rightSinceMark += 1;
      } else {
        this.wrong.push(outcome);
        await sleep(AFTER_FAILURE_MS);
      }
    }
    agent.destroy();
  }

  /** null: all was right. */
  async #ask(agent: http.Agent): Promise<string | null> {
    this.last = 0;
    try {
      const { status, body, complete } = await get(this.port, this.path, { agent });
      this.last = status;
      if (status !== 200) return String(status);
      return complete && body.toString() === this.expected ? null : 'wrong body';
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    }
  }
}
