/** Requests at a fixed rate, each answer judged; and beside them clients that go away or read slowly. */
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, abortAfter, get, leaveAfter, SlowReader } from '../support/client.js';
import { alignedTo } from './content.js';
import { type Given, isSame, judge } from './judge.js';
import type { SoakFile } from './ledger.js';
import type { Random } from './random.js';
import { type Findings, tell } from './report.js';
import type { Windows } from './windows.js';

/** Longer than any deadline of gfserve's: what takes longer has been forgotten. */
const NO_ANSWER_MS = 30_000;
const SLOW_READERS = 3;

export interface LoadOptions {
  readonly port: number;
  readonly volume: string;
  readonly files: readonly SoakFile[];
  /** Requests a second. */
  readonly rate: number;
  readonly random: Random;
  readonly windows: Windows;
  readonly findings: Findings;
  /** Whether another client can read the file, or see that there is none. */
  readonly isReadable: (file: SoakFile) => Promise<boolean>;
  /** The bytes of the file for another client; null: there is none. */
  readonly readElsewhere: (file: SoakFile) => Promise<Buffer | null>;
  /** The same for one that has just been mounted. */
  readonly readAnew: (file: SoakFile) => Promise<Buffer | null>;
  /** What another client reads of it now, for people. */
  readonly seenElsewhere: (file: SoakFile) => Promise<string>;
}

interface Question {
  readonly file: SoakFile;
  readonly range: { readonly from: number; readonly to: number } | null;
  readonly kept: boolean;
}

type Reply = Pick<Given, 'outcome' | 'body'>;

function replyOf({ status, body, complete }: Answer): Reply {
  return { outcome: complete ? String(status) : 'cut', body };
}

export class Load {
  readonly #pending = new Set<Promise<void>>();
  #agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
  #slow: SlowReader[] = [];
  #running: Promise<void> | null = null;
  #stopped = true;

  constructor(private readonly options: LoadOptions) {}

  start(): void {
    this.#stopped = false;
    this.#agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
    this.#running = this.#run();
  }

  /** Until every answer has come, and every connection is closed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await Promise.all(this.#pending);
    for (const reader of this.#slow) reader.stop();
    this.#slow = [];
    this.#agent.destroy();
  }

  async #run(): Promise<void> {
    const { rate } = this.options;
    const start = performance.now();
    for (let turn = 0; !this.#stopped; turn++) {
      await sleep(Math.max(0, start + (turn * 1000) / rate - performance.now()));
      this.#track(this.#ask(this.#question()));
      if (turn % rate === 0) this.#rude(turn / rate);
    }
  }

  #track(work: Promise<unknown>): void {
    const settled: Promise<void> = work
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => this.#pending.delete(settled));
    this.#pending.add(settled);
  }

  #question(): Question {
    const { random, files } = this.options;
    let file = random.pick(files);
    // Large files now and then only, or this process is all that is busy.
    if (file.size > 1 << 20 && random.chance(0.7)) file = random.pick(files);
    const kept = random.chance(0.6);
    if (file.size < 1000 || random.chance(0.8)) return { file, range: null, kept };
    const from = alignedTo(random.between(0, file.size - 1));
    return { file, range: { from, to: random.between(from, file.size - 1) }, kept };
  }

  async #reply({ file, range, kept }: Question): Promise<Reply> {
    const { port, volume } = this.options;
    const headers = range === null ? {} : { range: `bytes=${range.from}-${range.to}` };
    const path = `/${volume}/${file.path}`;
    const fresh = { headers, timeoutMs: NO_ANSWER_MS };
    const nothing = (error: Error): Reply => ({
      outcome: 'none',
      body: Buffer.from(error.message),
    });
    if (!kept) return await get(port, path, fresh).then(replyOf, nothing);
    return await get(port, path, { ...fresh, agent: this.#agent }).then(replyOf, (error: Error) => {
      if (!/ECONNRESET|EPIPE|socket hang up/.test(`${error.message}`)) return nothing(error);
      // A kept connection may be closed at any time; whoever keeps some asks again (RFC 9112 §9.3.1).
      this.options.findings.note('kept connections that were closed on a request');
      return get(port, path, fresh).then(replyOf, nothing);
    });
  }

  async #ask(question: Question): Promise<void> {
    const { volume, windows, findings } = this.options;
    const { file, range } = question;
    const start = performance.now();
    const reply = await this.#reply(question);
    const end = performance.now();
    const from = range?.from ?? 0;
    const given: Given = { ...reply, from, partial: range !== null, start, end };
    findings.count(volume, reply.outcome);
    const where = `/${volume}/${file.path}${range === null ? '' : ` bytes ${range.from}-${range.to}`}`;
    const reasons = windows.reasons(volume, start, end) || 'nothing under way';
    findings.waited(end - start, `${reply.outcome} ${where} (${reasons})`);
    const text = (why: string): string =>
      `${where}: ${why}, after ${((end - start) / 1000).toFixed(2)} s; ${reasons}`;
    const judgement = judge(file, given);
    switch (judgement.kind) {
      case 'right':
        findings.stale(judgement.staleMs, `${where} (${reasons})`);
        return;
      case 'mixed':
        findings.note(`${volume}: answers of two versions while a file was written in place`);
        return;
      case 'wrong':
        await this.#blame(file, given, text(judgement.why));
        return;
      case 'unless': {
        const why = reply.outcome === 'none' ? `no answer (${reply.body})` : judgement.why;
        if (windows.allows(volume, reply.outcome, start, end)) return;
        if (reply.outcome !== '503' || (await this.options.isReadable(file))) {
          await this.#blame(file, given, text(why));
        } else {
          findings.note(`${volume}: 503 for a file that no other client can read either`);
        }
        return;
      }
      default: {
        const impossible: never = judgement;
        throw new Error(`unknown judgement ${String(impossible)}`);
      }
    }
  }

  /** What others read too is the volume's own fault. */
  async #blame(file: SoakFile, given: Given, text: string): Promise<void> {
    const { findings, volume, readElsewhere, readAnew, seenElsewhere } = this.options;
    // The other client first: a new one takes a second, in which the file may be replaced.
    const other = await readElsewhere(file).catch(() => undefined);
    const elsewhere = await seenElsewhere(file);
    const there = await readAnew(file).catch(() => undefined);
    if ([other, there].some((bytes) => bytes !== undefined && isSame(given, bytes))) {
      findings.note(`${volume}: wrong answers that other clients get too`);
      tell(`the volume itself: ${text}; ${elsewhere}`);
      return;
    }
    const size =
      there === undefined ? 'not read' : there === null ? 'none' : `${there.length} bytes`;
    findings.violation(`${text}; ${elsewhere}; a new client: ${size}`);
  }

  /** Those who go away before, within and after an answer, and those who take it in sips. */
  #rude(second: number): void {
    const { port, volume, files, random } = this.options;
    const large = files.filter(({ size }) => size > 1 << 20);
    const path = (): string => `/${volume}/${random.pick(large).path}`;
    this.#track(leaveAfter(port, path(), random.between(0, 5)));
    this.#track(abortAfter(port, path(), random.between(1, 1 << 20)));
    if (second % 5 !== 0) return;
    if (this.#slow.length >= SLOW_READERS) this.#slow.shift()?.stop();
    this.#slow.push(new SlowReader(port, path(), random.between(1, 1 << 16)));
  }
}
