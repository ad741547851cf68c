/**
 * Deadlines of one fixed length, for thousands of calls under way: setting and clearing one is a map operation, and one
 * timer looks at the oldest. They fire up to 50 ms late. A call that goes on with a request which has waited already gets
 * what is left, by a timer of its own: there are few of those.
 */
const TICK_MS = 50;

export class Deadlines {
  /** In order of time, since all have the same length. */
  readonly #pending = new Map<number, { readonly at: number; readonly expire: () => void }>();
  /** Those with less than the whole length. */
  readonly #timers = new Map<number, NodeJS.Timeout>();
  #next = 0;
  #timer: NodeJS.Timeout | null = null;

  /** `lengthMs`: of each. */
  constructor(readonly lengthMs: number) {}

  /** Calls `expire` once when the time has passed, unless `clear` comes first. `waitedMs` of it are over already. */
  set(expire: () => void, waitedMs = 0): number {
    const id = this.#next++;
    if (waitedMs > TICK_MS) {
      const left = Math.max(0, this.lengthMs - waitedMs);
      const timer = setTimeout(() => {
        this.#timers.delete(id);
        expire();
      }, left);
      this.#timers.set(id, timer);
      return id;
    }
    this.#pending.set(id, { at: performance.now() + this.lengthMs, expire });
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
    return id;
  }

  clear(id: number): void {
    if (this.#pending.delete(id)) return;
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
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
