import { readFileSync } from 'node:fs';
import { discard, putFile } from './pid_file.js';

/** How a reload ended: `refused` before anything was started, `given-up` because the new workers could not get ready. */
export type ReloadOutcome = 'applied' | 'refused' | 'given-up';

const OUTCOMES: readonly unknown[] = ['applied', 'refused', 'given-up'] satisfies ReloadOutcome[];

export interface ReloadReport {
  /** The configuration file that was read. */
  readonly file: string;
  /** Milliseconds since 1970. */
  readonly startedMs: number;
  readonly durationMs: number;
  readonly outcome: ReloadOutcome;
  /** Why it was not applied; a line each. */
  readonly problems: readonly string[];
}

/** Beside the pid-file, where `gfserve reload` looks for the outcome of what it asked for. */
const reportPath = (pidFile: string): string => `${pidFile}.reload`;

/** Never throws: who waits for it gives up after a while, and the log has it too. */
export function writeReport(pidFile: string, report: ReloadReport): void {
  putFile(reportPath(pidFile), `${JSON.stringify(report)}\n`);
}

export function removeReport(pidFile: string): void {
  discard(reportPath(pidFile));
}

/** null: there is none. */
export function readReport(pidFile: string): ReloadReport | null {
  try {
    const value: unknown = JSON.parse(readFileSync(reportPath(pidFile), 'utf8'));
    return isReport(value) ? value : null;
  } catch {
    return null;
  }
}

function isReport(value: unknown): value is ReloadReport {
  if (typeof value !== 'object' || value === null) return false;
  const { file, startedMs, durationMs, outcome, problems } = value as Record<string, unknown>;
  return (
    typeof file === 'string' &&
    typeof startedMs === 'number' &&
    typeof durationMs === 'number' &&
    OUTCOMES.includes(outcome) &&
    Array.isArray(problems) &&
    problems.every((each) => typeof each === 'string')
  );
}
