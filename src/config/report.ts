import { type ConfigError, formatConfigError } from './types.js';

/** What an error is about; every part of it may be unknown. */
export interface Place {
  readonly line: number | null;
  /** What stands between the brackets. */
  readonly section: string | null;
  readonly key: string | null;
}

export const NOWHERE: Place = { line: null, section: null, key: null };

/** Collects everything that is wrong with a file, so that all of it can be told at once. */
export class Report {
  readonly #errors: ConfigError[] = [];
  readonly #warnings: ConfigError[] = [];

  constructor(readonly file: string) {}

  error(place: Place, message: string): void {
    this.#errors.push({ file: this.file, ...place, message });
  }

  warn(place: Place, message: string): void {
    this.#warnings.push({ file: this.file, ...place, message });
  }

  get failed(): boolean {
    return this.#errors.length > 0;
  }

  /** In the order of the lines; what has no line comes last. */
  errors(): ConfigError[] {
    return this.#errors.toSorted(byLine);
  }

  warnings(): string[] {
    return this.#warnings.toSorted(byLine).map(formatConfigError);
  }
}

function byLine(a: ConfigError, b: ConfigError): number {
  return (a.line ?? Number.MAX_SAFE_INTEGER) - (b.line ?? Number.MAX_SAFE_INTEGER);
}
