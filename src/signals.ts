export type StopSignal = 'SIGTERM' | 'SIGINT';

export interface SignalHandlers {
  /** SIGHUP */
  reload(): void;
  /** SIGUSR1 */
  reopenLogs(): void;
  /** SIGUSR2 */
  upgrade(): void;
}

/** The signals that a supervisor lives with. From its construction on, none of them ends the process by itself. */
export class Signals {
  readonly #arrived: StopSignal[] = [];
  /** Came before there was a handler. */
  #early = new Set<keyof SignalHandlers>();
  #handlers: SignalHandlers | null = null;
  #waiter: ((signal: StopSignal) => void) | null = null;
  readonly #listeners: ReadonlyMap<NodeJS.Signals, () => void>;

  constructor() {
    this.#listeners = new Map<NodeJS.Signals, () => void>([
      ['SIGTERM', () => this.#add('SIGTERM')],
      ['SIGINT', () => this.#add('SIGINT')],
      ['SIGHUP', () => this.#call('reload')],
      // Without a listener Node opens a debugger's port.
      ['SIGUSR1', () => this.#call('reopenLogs')],
      ['SIGUSR2', () => this.#call('upgrade')],
      ['SIGPIPE', () => undefined],
    ]);
    for (const [signal, listener] of this.#listeners) process.on(signal, listener);
  }

  /** What the signals are for; those that have come already are for it too. */
  handle(handlers: SignalHandlers): void {
    this.#handlers = handlers;
    for (const name of this.#early) handlers[name]();
    this.#early.clear();
  }

  /** The next SIGTERM or SIGINT, which may have come already. One caller at a time; a later call replaces an earlier. */
  next(): Promise<StopSignal> {
    const signal = this.#arrived.shift();
    if (signal !== undefined) return Promise.resolve(signal);
    return new Promise((resolve) => {
      this.#waiter = resolve;
    });
  }

  close(): void {
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
  }

  #call(name: keyof SignalHandlers): void {
    if (this.#handlers) this.#handlers[name]();
    else this.#early.add(name);
  }

  #add(signal: StopSignal): void {
    if (!this.#waiter) {
      this.#arrived.push(signal);
      return;
    }
    this.#waiter(signal);
    this.#waiter = null;
  }
}
