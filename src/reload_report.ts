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

/** Of an upgrade there is a report from its beginning on, so that it can be told from another one that follows. */
export interface UpgradeReport extends Omit<ReloadReport, 'outcome'> {
  readonly outcome: ReloadOutcome | 'under-way';
  /** The process that has taken over; 0: none. */
  readonly pid: number;
}

/** Beside the pid-file, where `gfserve reload` and `gfserve upgrade` look for the outcome of what they asked for. */
const reloadPath = (pidFile: string): string => `${pidFile}.reload`;
const upgradePath = (pidFile: string): string => `${pidFile}.upgrade`;

/** Never throws: who waits for it gives up after a while, and the log has it too. */
export function writeReport(pidFile: string, report: ReloadReport): void {
  putFile(reloadPath(pidFile), `${JSON.stringify(report)}\n`);
}

/** The same. */
export function writeUpgradeReport(pidFile: string, report: UpgradeReport): void {
  putFile(upgradePath(pidFile), `${JSON.stringify(report)}\n`);
}

export function removeReports(pidFile: string): void {
  discard(reloadPath(pidFile));
  discard(upgradePath(pidFile));
}

/** null: there is none. */
export function readReport(pidFile: string): ReloadReport | null {
  const value = readJson(reloadPath(pidFile));
  return isReport(value) && OUTCOMES.includes(value.outcome) ? (value as ReloadReport) : null;
}

/** null: there is none. */
export function readUpgradeReport(pidFile: string): UpgradeReport | null {
  const value = readJson(upgradePath(pidFile));
  if (!isReport(value) || typeof value.pid !== 'number') return null;
  const { outcome } = value;
  return outcome === 'under-way' || OUTCOMES.includes(outcome) ? (value as UpgradeReport) : null;
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}

/** All but the outcome and what only upgrades have. */
function isReport(
  value: unknown,
): value is Omit<ReloadReport, 'outcome'> & { outcome: unknown; pid?: unknown } {
  if (typeof value !== 'object' || value === null) return false;
  const { file, startedMs, durationMs, problems } = value as Record<string, unknown>;
  return (
    typeof file === 'string' &&
    typeof startedMs === 'number' &&
    typeof durationMs === 'number' &&
    Array.isArray(problems) &&
    problems.every((each) => typeof each === 'string')
  );
}
