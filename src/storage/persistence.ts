/**
 * Asks again what may soon be answered otherwise, since the volume is changing: a layout that is new, bricks that went or came
 * a moment ago. And lets nothing be said to be missing before it is known that no brick is.
 */
import type { Deadlines } from './deadlines.js';
import type { Cancel, StorageError } from './storage.js';

/** What the watch over the volume says. Times are of performance.now(). */
export interface Outlook {
  /** Whether a file can seem not to be there although its bricks are. */
  readonly spreadsFiles: boolean;
  /** Whether bricks are gone without which files seem not to be there. */
  hidesFiles(): boolean;
  /** Whether what failed in a call that began at `sinceMs` may soon be right. */
  isPassing(sinceMs: number): boolean;
  /**
   * Calls `done` when all is known that libgfapi knew at the time of this call; it may hang as everything else. `done` is
   * never called from inside this call.
   */
  refresh(done: () => void): Cancel;
}

/**
 * Whether a result can be taken as it is: 'missing' is one that only says the truth while no brick is gone, 'changing' one that
 * may be another in a moment whatever the volume does.
 */
export type Doubt = 'none' | 'missing' | 'failed' | 'changing';

/** The first time; then after twice as long each time: a lookup of what needs healing takes locks on the bricks. */
const AGAIN_MS = 200;
const LAST_AGAIN_MS = 1_000;
/** For what changes by itself. A rebalance under load can make a file look so for a second or two. */
const CHANGING_MS = 4_000;
/** So many may wait at once for a connection: each holds a request and nothing else. */
const MAX_WAITING = 4096;

export interface Attempt<T> {
  /** Makes one call, of which `waitedMs` of the deadline are over. `done` is never called from inside this call. */
  readonly call: (done: (result: T | StorageError) => void, waitedMs: number) => Cancel;
  readonly doubt: (result: T | StorageError) => Doubt;
  /** Whether another call may be made; default true. */
  readonly again?: boolean;
  /** Gives back what a result holds that will not be used. */
  readonly discard: (result: T | StorageError) => void;
}

export class Persistence {
  #waiting = 0;
  /** What ends the wait of those who will ask again. */
  readonly #later = new Set<() => void>();
  #over = false;

  constructor(
    private readonly outlook: Outlook,
    private readonly deadlines: Deadlines,
  ) {}

  /** How many are between two attempts. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Nothing is asked again from now on: somebody else is asked. Who waits for that gets 'down'. */
  end(): void {
    this.#over = true;
    for (const stop of this.#later) stop();
  }

  /** `done` gets the first result that can be believed, or the last one; 'down' in the place of what can't be said. */
  run<T>(attempt: Attempt<T>, done: (result: T | StorageError) => void, waitedMs = 0): Cancel {
    const startMs = performance.now();
    const waited = (): number => waitedMs + performance.now() - startMs;
    const nothing = (): void => undefined;
    let cancel: Cancel = nothing;
    const finish = (result: T | StorageError): void => {
      cancel = nothing;
      done(result);
    };
    let againMs = AGAIN_MS;
    const conclude = (
      result: T | StorageError,
      doubt: Doubt,
      mayAsk: boolean,
      calledMs: number,
    ): void => {
      if (doubt === 'missing' && !this.outlook.hidesFiles()) {
        finish(result);
      } else if (
        mayAsk &&
        attempt.again !== false &&
        this.#mayAskAgain(doubt, { startMs, calledMs, waitedMs: waited() + againMs })
      ) {
        attempt.discard(result);
        cancel = this.#askLater(ask, againMs, () => {
          finish({ ok: false, code: 'down', errno: 0 });
        });
        againMs = Math.min(againMs * 2, LAST_AGAIN_MS);
      } else if (doubt === 'missing') {
        attempt.discard(result);
        finish({ ok: false, code: 'down', errno: 0 });
      } else {
        finish(result);
      }
    };
    const ask = (): void => {
      const calledMs = performance.now();
      cancel = attempt.call((result) => {
        const doubt = attempt.doubt(result);
        if (doubt === 'none' || (doubt === 'missing' && !this.outlook.spreadsFiles)) {
          finish(result);
          return;
        }
        const forget = this.#refresh(waited(), (inTime) =>
          conclude(result, doubt, inTime, calledMs),
        );
        cancel = () => {
          forget();
          attempt.discard(result);
        };
      }, waited());
    };
    ask();
    return () => cancel();
  }

  /** `calledMs`: of the last attempt; `waitedMs`: by then. */
  #mayAskAgain(
    doubt: Doubt,
    { startMs, calledMs, waitedMs }: Record<'startMs' | 'calledMs' | 'waitedMs', number>,
  ): boolean {
    if (this.#over) return false;
    const late = waitedMs + AGAIN_MS >= this.deadlines.lengthMs;
    if (late || this.#waiting >= MAX_WAITING) return false;
    const changing = doubt === 'changing' && performance.now() - startMs < CHANGING_MS;
    return changing || this.outlook.isPassing(calledMs);
  }

  /** Calls `then` when what is known is newer than this call, with true; or at the deadline, with false. */
  #refresh(waitedMs: number, then: (inTime: boolean) => void): Cancel {
    this.#waiting += 1;
    const end = (): void => {
      this.#waiting -= 1;
      this.deadlines.clear(deadline);
      forget();
    };
    const deadline = this.deadlines.set(() => {
      end();
      then(false);
    }, waitedMs);
    const forget = this.outlook.refresh(() => {
      end();
      then(true);
    });
    return end;
  }

  #askLater(ask: () => void, afterMs: number, giveUp: () => void): Cancel {
    this.#waiting += 1;
    const stop = (): void => {
      this.#waiting -= 1;
      this.#later.delete(over);
      clearTimeout(timer);
    };
    const over = (): void => {
      stop();
      giveUp();
    };
    const timer = setTimeout(() => {
      stop();
      ask();
    }, afterMs);
    this.#later.add(over);
    return stop;
  }
}
