/** Makes a volume's connections, each on a glfs_t of its own, and tells when the volume's file has become another one. */
import type { VolumeConfig } from '../config/types.js';
import type { Logger } from '../observe/log.js';
import { type Abandoned, type AttemptResult, attemptConnect } from './connect.js';
import type { Native } from './native.js';
import { type FollowerEvents, VolfileFollower } from './volfile/follower.js';

/**
 * For libgfapi's part alone. A healthy cluster needs some 50 ms; but while the host of one replica hangs, the replicate
 * xlator waits 10 s for it (__afr_launch_notification_timer) before it goes on with the others.
 */
const CONNECT_TIMEOUT_MS = 30_000;
/** libgfapi cannot be interrupted: so many stuck attempts are left behind before no new one is made. */
const MAX_ABANDONED = 3;

export interface ConnectorOptions {
  readonly native: Native;
  readonly log: Pick<Logger, 'debug' | 'info'>;
  readonly maxQueue: number;
  /** As handleCapacity says. */
  readonly handles: number;
  readonly timeoutMs?: number;
}

export class Connector {
  readonly #volfiles: VolfileFollower;
  readonly #abandoned: Abandoned = { pending: 0 };
  readonly #avoid = new Set<string>();
  #noted = '';

  constructor(
    private readonly config: VolumeConfig,
    private readonly options: ConnectorOptions,
    events: Omit<FollowerEvents, 'lost'>,
  ) {
    this.#volfiles = new VolfileFollower(config.servers, config.volname, {
      ...events,
      lost: (reason) =>
        options.log.debug(`volume ${config.name}: a volfile server is left: ${reason}`),
    });
  }

  /** The volume's file as it was last heard of. */
  get newest(): string | null {
    return this.#volfiles.newest?.text ?? null;
  }

  /** One at a time. Never rejects. */
  async connect(): Promise<AttemptResult> {
    const { native, maxQueue, handles, timeoutMs = CONNECT_TIMEOUT_MS } = this.options;
    const { pending } = this.#abandoned;
    if (pending >= MAX_ABANDONED) {
      const reason = `${pending} attempts hang inside libgfapi; waiting for one of them to end`;
      return { ok: false, ms: 0, reason };
    }
    const result = await attemptConnect(this.config, {
      native,
      maxQueue,
      handles,
      timeoutMs,
      abandoned: this.#abandoned,
      avoid: this.#avoid,
      volfiles: this.#volfiles,
      note: (reason) => this.#note(reason),
    });
    if (!result.ok && result.stuck !== undefined) this.#avoidServer(result.stuck);
    return result;
  }

  close(): void {
    this.#volfiles.close();
  }

  #note(reason: string): void {
    if (reason === this.#noted) return;
    this.#noted = reason;
    this.options.log.info(
      `volume ${this.config.name}: libgfapi follows its layout by itself: ${reason}`,
    );
  }

  /** Tries this one last from now on, until each has had its turn. */
  #avoidServer(server: string): void {
    this.#avoid.add(server);
    if (this.#avoid.size >= this.config.servers.length) this.#avoid.clear();
  }
}
