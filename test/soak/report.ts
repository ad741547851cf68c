/** What a run has seen, and the telling of it. */
import type { Outcome } from './windows.js';

export interface Wait {
  readonly ms: number;
  readonly text: string;
}

const LONGEST = 10;
const SHOWN = 20;
const KINDS = 50;
const started = performance.now();

export const seconds = (): string => ((performance.now() - started) / 1000).toFixed(1).padStart(6);

export function say(line = ''): void {
  process.stdout.write(`${line}\n`);
}

export function tell(line: string): void {
  say(`${seconds()} s  ${line}`);
}

export class Findings {
  readonly #counts = new Map<string, Map<Outcome, number>>();
  #waits: Wait[] = [];
  readonly #violations: string[] = [];
  readonly #notes = new Map<string, number>();
  #stalest: Wait = { ms: 0, text: 'none' };

  get failed(): boolean {
    return this.#violations.length > 0;
  }

  count(volume: string, outcome: Outcome): void {
    const own = this.#counts.get(volume) ?? new Map<Outcome, number>();
    this.#counts.set(volume, own);
    own.set(outcome, (own.get(outcome) ?? 0) + 1);
  }

  /** What is worth a number, and is no fault of gfserve's. */
  note(what: string): void {
    this.#notes.set(what, (this.#notes.get(what) ?? 0) + 1);
  }

  waited(ms: number, text: string): void {
    const least = this.#waits.at(-1);
    if (this.#waits.length >= LONGEST && least !== undefined && ms <= least.ms) return;
    this.#waits = [...this.#waits, { ms, text }].sort((a, b) => b.ms - a.ms).slice(0, LONGEST);
  }

  /** Content that had been replaced `ms` before it was asked for. */
  stale(ms: number, text: string): void {
    if (ms > this.#stalest.ms) this.#stalest = { ms, text };
  }

  violation(text: string): void {
    this.#violations.push(`${seconds()} s  ${text}`);
    if (this.#violations.length <= SHOWN) tell(`VIOLATION: ${text}`);
    else if (this.#violations.length === SHOWN + 1) tell('more violations are only counted');
  }

  print(): void {
    say();
    for (const [volume, counts] of this.#counts) {
      const texts = [...counts].sort().map(([outcome, count]) => `${outcome}: ${count}`);
      say(`volume ${volume}: ${texts.join(', ')}`);
    }
    for (const [what, count] of [...this.#notes].sort()) say(`${what}: ${count}`);
    const { ms: age, text } = this.#stalest;
    say(`longest after its replacement that content was served: ${age.toFixed(0)} ms, ${text}`);
    say('longest waits:');
    for (const { ms, text } of this.#waits)
      say(`  ${(ms / 1000).toFixed(1).padStart(5)} s  ${text}`);
    this.printViolations();
  }

  /** Each kind once: how often it was seen, and when last. */
  printViolations(): void {
    const kinds = new Map<string, { count: number; last: string }>();
    for (const text of this.#violations) {
      const kind = text.replace(/^ *[\d.]+ s {2}| bytes \d+-\d+|, after [\d.]+ s/g, '');
      const count = (kinds.get(kind)?.count ?? 0) + 1;
      kinds.set(kind, { count, last: text.slice(0, text.indexOf(' s ') + 2).trim() });
    }
    const sorted = [...kinds].sort(([, a], [, b]) => b.count - a.count);
    for (const [kind, { count, last }] of sorted.slice(0, KINDS))
      say(`${String(count).padStart(5)}  ${kind}, the last at ${last}`);
    if (sorted.length > KINDS) say(`and ${sorted.length - KINDS} other kinds`);
    say(this.failed ? `${this.#violations.length} violations` : 'no violation');
  }
}
