/** How soon a change that another client makes is seen through gfserve. */

import { appendFile, mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { join } from 'node:path';
import { get } from './client.js';

export const CHANGES = [
  'append',
  'overwrite',
  'rename-over',
  'unlink',
  'create',
  'rename-folder',
] as const;

export type Change = (typeof CHANGES)[number];

/** Longer than anything that is allowed: a change that is not seen by then is not seen. */
const GIVE_UP_MS = 10_000;
/** How often it is looked again after the change was seen: the old content must not come back. */
const AGAIN = 3;

export interface Seen {
  /** From the end of the change to the first answer that shows it, on the client's side. */
  readonly ms: number;
  /** What was wrong, besides the time. */
  readonly problem: string | null;
}

export class Freshness {
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  #count = 0;

  /** `root` is a folder on another client's mount that gfserve serves at `prefix`. */
  constructor(
    private readonly port: number,
    private readonly prefix: string,
    private readonly root: string,
  ) {}

  close(): void {
    this.#agent.destroy();
  }

  /** Makes a file known to gfserve, changes it, and looks until the change is seen. */
  async measure(change: Change): Promise<Seen> {
    this.#count += 1;
    const folder = `f${this.#count % 20}-${change}`;
    const dir = join(this.root, folder);
    const path = `${this.prefix}/${folder}/file.txt`;
    const before = `before ${this.#count}\n`;
    const after = `after ${this.#count}\n`;
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir);
    const file = join(dir, 'file.txt');
    if (change !== 'create') await writeFile(file, before);
    const old = change === 'create' ? null : before;
    // The folder is new to gfserve as well: until this is seen the measurement has not begun.
    const known = await this.#until(path, old, performance.now());
    if (known.problem !== null) return { ...known, problem: `not seen at first: ${known.problem}` };
    for (let i = 0; i < AGAIN; i++) await this.#ask(path);

    const expected = await this.#change(change, dir, before, after);
    const seen = await this.#until(path, expected, performance.now(), old);
    for (let i = 0; i < AGAIN; i++) {
      const answer = await this.#ask(path);
      if (answer !== expected) return { ...seen, problem: `afterwards: ${JSON.stringify(answer)}` };
    }
    return seen;
  }

  /** @returns what is to be seen from then on; null: nothing */
  async #change(
    change: Change,
    dir: string,
    before: string,
    after: string,
  ): Promise<string | null> {
    const file = join(dir, 'file.txt');
    switch (change) {
      case 'append':
        await appendFile(file, after);
        return before + after;
      case 'overwrite': {
        const text = before.toUpperCase();
        const handle = await open(file, 'r+');
        await handle.write(text);
        await handle.close();
        return text;
      }
      case 'rename-over':
        await writeFile(`${file}.new`, after);
        await rename(`${file}.new`, file);
        return after;
      case 'unlink':
        await rm(file);
        return null;
      case 'create':
        await writeFile(file, after);
        return after;
      case 'rename-folder': {
        const other = `${dir}.other`;
        await rm(other, { recursive: true, force: true });
        await rm(`${dir}.gone`, { recursive: true, force: true });
        await mkdir(other);
        await writeFile(join(other, 'file.txt'), after);
        await rename(dir, `${dir}.gone`);
        await rename(other, dir);
        return after;
      }
      default:
        return change satisfies never;
    }
  }

  /** Until the answer is `wanted`. `old` is what it may be meanwhile, as may nothing, while names move. */
  async #until(
    path: string,
    wanted: string | null,
    sinceMs: number,
    old: string | null = null,
  ): Promise<Seen> {
    for (;;) {
      const answer = await this.#ask(path);
      const ms = performance.now() - sinceMs;
      if (answer === wanted) return { ms, problem: null };
      const possible = answer === old || answer === null;
      if (!possible || ms > GIVE_UP_MS) {
        return { ms, problem: `${JSON.stringify(answer)} instead of ${JSON.stringify(wanted)}` };
      }
    }
  }

  /** The content; null where there is none. */
  async #ask(path: string): Promise<string | null> {
    const answer = await get(this.port, path, { agent: this.#agent });
    if (answer.status === 404) return null;
    return answer.status === 200 ? answer.body.toString() : `status ${answer.status}`;
  }
}
