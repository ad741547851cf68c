/**
 * Deadlines of one fixed length, for thousands of calls under way: setting and clearing one is a map operation, and one
 * timer looks at the oldest. They fire up to 50 ms late.
 */
const TICK_MS = 50;

export class Deadlines {
  /** In order of time, since all have the same length. */
  readonly #pending = new Map<number, { readonly at: number; readonly expire: () => void }>();
  #next = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(private readonly lengthMs: number) {}

  /** Calls `expire` once when the time has passed, unless `clear` comes first. */
  set(expire: () => void): number {
    const id = this.#next++;
    this.#pending.set(id, { at: performance.now() + this.lengthMs, expire });
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
    return id;
  }

  clear(id: number): void {
    this.#pending.delete(id);
  }

  #tick(): void {
    const now = performance.now();
    for (const [id, deadline] of this.#pending) {
      if (deadline.at > now) return;
      this.#pending.delete(id);
      deadline.expire();
    }
    if (this.#pending.size === 0 && this.#timer) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }
}
