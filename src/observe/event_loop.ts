/** How busy and how late this process's event loop is. */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';

/** How often it is looked at, in milliseconds: what is shorter is not seen. */
const RESOLUTION_MS = 20;
/** What is told is the longest of the window that is under way and of the one before. */
const WINDOW_MS = 30_000;

export class EventLoop {
  readonly #delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #windowMs = performance.now();
  #before = 0;

  constructor() {
    this.#delays.enable();
  }

  /** Seconds since the start in which it was not waiting. */
  get busy(): number {
    return performance.eventLoopUtilization().active / 1000;
  }

  /** Seconds. */
  get lag(): number {
    const longest = this.#delays.count > 0 ? this.#delays.max / 1e9 - RESOLUTION_MS / 1000 : 0;
    const lag = Math.max(0, longest, this.#before);
    const now = performance.now();
    if (now - this.#windowMs >= WINDOW_MS) {
      this.#windowMs = now;
      this.#before = Math.max(0, longest);
      this.#delays.reset();
    }
    return lag;
  }

  close(): void {
    this.#delays.disable();
  }
}
