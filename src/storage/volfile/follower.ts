/**
 * Knows a volume's file: asks one volfile server for it, stays connected to hear of changes, and goes to another server when
 * that one dies. It tells what has changed when it has settled: changes often come in bursts.
 */
import type { VolfileServer } from '../../config/types.js';
import { type ProbeResult, probeAll } from '../probe.js';
import { HOW_TO_GET_LOW_PORTS, lowPort, mayUseLowPorts } from './low_ports.js';
import { DENIED } from './rpc.js';
import { type Answer, Session, type SessionTimes } from './session.js';

export interface Volfile {
  /** Bytes, one a char. */
  readonly text: string;
  /** Who gave it. */
  readonly server: string;
}

export type Fetched =
  | { readonly ok: true; readonly volfile: Volfile }
  /** The server that was asked has none to give: ENOENT where there is no such volume. */
  | {
      readonly ok: false;
      readonly kind: 'refused';
      readonly server: string;
      readonly errno: number;
    }
  | { readonly ok: false; readonly kind: 'unreachable'; readonly reason: string };

export interface FollowerEvents {
  /** The file is another one; more may follow. */
  heard(volfile: Volfile): void;
  /** The same, and no other came for a moment. */
  settled(volfile: Volfile): void;
  /** For the log: why a server was left. */
  lost(reason: string): void;
}

export interface FollowerTimes extends SessionTimes {
  readonly probeMs: number;
  /** The first wait after a server was lost; each further one is twice as long, up to the last. */
  readonly firstRetryMs: number;
  readonly lastRetryMs: number;
  /** How long nothing must have changed, and how long that is waited for. */
  readonly settleMs: number;
  readonly settleAtMostMs: number;
}

export const FOLLOWER_TIMES: FollowerTimes = {
  probeMs: 1_500,
  answerMs: 5_000,
  pingMs: 15_000,
  firstRetryMs: 250,
  lastRetryMs: 4_000,
  settleMs: 300,
  settleAtMostMs: 2_000,
};

/** Of 424 ports, most of which are free. */
const LOW_PORT_TRIES = 4;

export const describeProbe = (result: ProbeResult): string =>
  result.alive ? `${result.server.text} answered` : `${result.server.text} ${result.reason}`;

export class VolfileFollower {
  #session: Session | null = null;
  #opening: Promise<Fetched> | null = null;
  /** Questions go one after the other, so that the last answer is the newest. */
  #asked: Promise<unknown> = Promise.resolve();
  #mustAsk = false;
  #newest: Volfile | null = null;
  #retry: NodeJS.Timeout | null = null;
  #retryMs: number;
  #settling: NodeJS.Timeout | null = null;
  #settledText = '';
  #unsettledMs = 0;
  #closed = false;

  constructor(
    private readonly servers: readonly VolfileServer[],
    private readonly volname: string,
    private readonly events: FollowerEvents,
    private readonly times: FollowerTimes = FOLLOWER_TIMES,
  ) {
    this.#retryMs = times.firstRetryMs;
  }

  /** The last one that was heard of. */
  get newest(): Volfile | null {
    return this.#newest;
  }

  /** Asks for the file as it is now, and follows it from then on. Never rejects. */
  async fetch(): Promise<Fetched> {
    const session = this.#session;
    if (session === null) return await this.#open();
    const answer = await this.#ask(session);
    return answer.kind === 'failed' ? await this.#open() : this.#fetched(session, answer);
  }

  close(): void {
    this.#closed = true;
    if (this.#retry) clearTimeout(this.#retry);
    if (this.#settling) clearTimeout(this.#settling);
    this.#session?.close();
    this.#session = null;
  }

  #open(): Promise<Fetched> {
    this.#opening ??= this.#tryAll().finally(() => {
      this.#opening = null;
      // Until it was known once, whoever fetches it tries again.
      if (this.#session === null && this.#newest !== null) this.#openLater();
    });
    return this.#opening;
  }

  /** Those that answer a probe, one after the other. */
  async #tryAll(): Promise<Fetched> {
    const unreachable = (reasons: readonly string[]): Fetched => ({
      ok: false,
      kind: 'unreachable',
      reason: `no volfile server is there: ${reasons.join('; ')}`,
    });
    const probes = await probeAll(this.servers, this.times.probeMs);
    const reasons = probes.filter(({ alive }) => !alive).map(describeProbe);
    for (const { alive, server } of probes) {
      if (this.#closed) return unreachable(['it is not asked any more']);
      if (!alive) continue;
      const { session, answer } = await this.#tryOne(server);
      if (answer.kind !== 'failed') {
        this.#retryMs = this.times.firstRetryMs;
        return this.#fetched(session, answer);
      }
      reasons.push(`${server.text}: ${answer.reason}`);
    }
    return unreachable(reasons);
  }

  /** From a port below 1024 where the server takes no others; such a port may be taken, and then it is another. */
  async #tryOne(server: VolfileServer): Promise<{ session: Session; answer: Answer }> {
    let session = this.#start(server);
    let answer = await this.#ask(session);
    if (answer.kind !== 'failed' || answer.reason !== DENIED) return { session, answer };
    if (!mayUseLowPorts()) {
      const reason = `it takes connections from ports below 1024 only (rpc-auth-allow-insecure): ${HOW_TO_GET_LOW_PORTS}`;
      return { session, answer: { kind: 'failed', reason } };
    }
    for (let tries = 0; tries < LOW_PORT_TRIES && answer.kind === 'failed'; tries++) {
      if (this.#closed) break;
      session = this.#start(server, lowPort());
      answer = await this.#ask(session);
    }
    return { session, answer };
  }

  #start(server: VolfileServer, localPort: number | null = null): Session {
    const session: Session = new Session(
      server,
      this.volname,
      {
        announced: () => void this.#askAgain(session),
        ended: (reason) => {
          if (session !== this.#session) return;
          this.#session = null;
          this.events.lost(`${server.text}: ${reason}`);
          this.#openLater();
        },
      },
      this.times,
      localPort,
    );
    this.#session = session;
    return session;
  }

  #fetched(session: Session, answer: Exclude<Answer, { readonly kind: 'failed' }>): Fetched {
    const server = session.server.text;
    return answer.kind === 'refused'
      ? { ok: false, kind: 'refused', server, errno: answer.errno }
      : { ok: true, volfile: { text: answer.text, server } };
  }

  /** After an announcement; one that comes while a question waits for its turn needs no other. */
  async #askAgain(session: Session): Promise<void> {
    if (this.#mustAsk) return;
    this.#mustAsk = true;
    await this.#ask(session);
  }

  #ask(session: Session): Promise<Answer> {
    const asking = this.#asked.then(async () => {
      this.#mustAsk = false;
      const answer = await session.ask();
      if (answer.kind === 'text') this.#take({ text: answer.text, server: session.server.text });
      return answer;
    });
    this.#asked = asking;
    return asking;
  }

  #take(volfile: Volfile): void {
    const before = this.#newest;
    this.#newest = volfile;
    if (before === null) this.#settledText = volfile.text;
    if (this.#closed || before === null || before.text === volfile.text) return;
    const now = performance.now();
    if (this.#settling === null) this.#unsettledMs = now;
    else clearTimeout(this.#settling);
    const { settleMs, settleAtMostMs } = this.times;
    const left = Math.max(0, settleAtMostMs - (now - this.#unsettledMs));
    this.#settling = setTimeout(
      () => {
        this.#settling = null;
        if (volfile.text === this.#settledText) return;
        this.#settledText = volfile.text;
        this.events.settled(volfile);
      },
      Math.min(settleMs, left),
    );
    this.events.heard(volfile);
  }

  #openLater(): void {
    if (this.#closed || this.#retry !== null || this.#opening !== null) return;
    this.#retry = setTimeout(() => {
      this.#retry = null;
      if (this.#session === null) void this.#open();
    }, this.#retryMs);
    this.#retry.unref();
    this.#retryMs = Math.min(this.#retryMs * 2, this.times.lastRetryMs);
  }
}
