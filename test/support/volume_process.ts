/**
 * A Volume in a process of its own, because libgfapi's threads make a normal exit unsafe. As a program it serves one volume
 * to its parent; VolumeProcess is the parent's side. Messages keep their order: what the volume said before an answer comes
 * before it.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { VolumeConfig } from '../../src/config/types.js';
import { createLogger } from '../../src/observe/log.js';
import { Native } from '../../src/storage/native.js';
import type { OpenRequest, Stat, StorageEvent } from '../../src/storage/storage.js';
import { Volume } from '../../src/storage/volume.js';

export type Question = Pick<OpenRequest, 'candidates'> &
  Partial<Pick<OpenRequest, 'body' | 'known' | 'trail'>>;

export interface Answer {
  readonly code: string;
  readonly candidate?: number;
  readonly stat?: Stat;
  readonly body: string | null;
  readonly unchanged?: boolean | undefined;
  readonly trail?: readonly string[] | null | undefined;
}

type Message = { readonly event: StorageEvent } | { readonly id: number; readonly answer: Answer };

function serve(config: VolumeConfig): void {
  const native = new Native();
  const log = createLogger({ level: 'warn', style: 'text' });
  const volume = new Volume(config, {
    native,
    log,
    maxQueue: 100,
    handles: 16_384,
    requestTimeoutMs: 30_000,
  });
  const tell = (message: Message): void => {
    // The parent may have gone.
    process.send?.(message, () => undefined);
  };
  volume.watch((event) => tell({ event }));
  const root = volume.root('/', 'inside');
  process.on('message', ({ id, question }: { id: number; question: Question }) => {
    const request = { body: true, ...question, root, from: 0, listing: false };
    volume.open(request, (result) => {
      if (!result.ok) {
        tell({ id, answer: { code: result.code, body: null, trail: result.trail } });
        return;
      }
      const { candidate, stat, chunk, file, unchanged, trail } = result;
      const body = chunk && Buffer.from(chunk.bytes).toString('latin1');
      chunk?.release();
      file?.release();
      tell({ id, answer: { code: 'ok', candidate, stat, body, unchanged, trail } });
    });
  });
  process.on('disconnect', () => native.exitNow(0));
  void volume.start();
}

export class VolumeProcess {
  readonly events: StorageEvent[] = [];
  /** Called for each event and answer, in their order. */
  onMessage: (message: Message) => void = () => undefined;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #next = 0;

  private constructor(private readonly child: ChildProcess) {
    child.on('message', (message: Message) => {
      this.onMessage(message);
      if ('event' in message) {
        this.events.push(message.event);
        return;
      }
      this.#waiting.get(message.id)?.(message.answer);
      this.#waiting.delete(message.id);
    });
  }

  /** Resolves once the volume has answered. */
  static async start(volname: string, server: string): Promise<VolumeProcess> {
    const config: VolumeConfig = {
      name: volname,
      volname,
      servers: [{ transport: 'tcp', host: server, port: 24007, text: server }],
      volfile: null,
      threads: 4,
      pingTimeoutSeconds: 10,
      invalidate: 'upcall',
      required: true,
      xlatorOptions: [],
      logFile: null,
      logLevel: 'error',
    };
    const started = new VolumeProcess(
      fork(fileURLToPath(import.meta.url), [JSON.stringify(config)]),
    );
    while ((await started.ask({ candidates: [''] })).code !== 'ok') {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return started;
  }

  ask(question: Question): Promise<Answer> {
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.child.send({ id, question });
    });
  }

  /** Forgets the events so far. */
  forget(): void {
    this.events.length = 0;
  }

  heard(kind: StorageEvent['kind'], gfid?: string): boolean {
    return this.events.some(
      (event) =>
        event.kind === kind && (gfid === undefined || ('gfid' in event && event.gfid === gfid)),
    );
  }

  async stop(): Promise<void> {
    const exited = once(this.child, 'exit');
    this.child.disconnect();
    await exited;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  serve(JSON.parse(process.argv[2] ?? '') as VolumeConfig);
}
