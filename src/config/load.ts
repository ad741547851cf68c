import { readFileSync } from 'node:fs';
import { toAdmin, toCache, toLimits, toLog, toMount, toServer, toVolume } from './build.js';
import { checkTogether } from './check.js';
import { type Document, readDocument } from './document.js';
import type { Environment } from './environment.js';
import { isComplete, type Reading, readSection } from './reading.js';
import { NOWHERE, Report } from './report.js';
import * as schema from './schema.js';
import type { Config, LoadResult } from './types.js';

/** Reads, checks and freezes a configuration. Reads the file and nothing else: no other path in it is looked at. */
export function loadConfig(file: string, env: Environment = process.env): LoadResult {
  const report = new Report(file);
  const text = readText(file, report);
  return text === null ? { ok: false, errors: report.errors() } : load(text, env, report);
}

/** The same for text that is at hand; `file` is only what messages call it. */
export function loadConfigText(text: string, file: string, env: Environment): LoadResult {
  return load(text, env, new Report(file));
}

function load(text: string, env: Environment, report: Report): LoadResult {
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/);
  const document = readDocument(lines, report);
  const config = interpret(document, env, report);
  return config === null ? { ok: false, errors: report.errors() } : { ok: true, config };
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'this is a directory, not a file',
  EACCES: 'this file may not be read (permission denied)',
};

function readText(file: string, report: Report): string | null {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const hasCode = typeof error === 'object' && error !== null && 'code' in error;
    const code = String(hasCode ? error.code : error);
    report.error(NOWHERE, REASONS[code] ?? `this file can't be read (${code})`);
    return null;
  }
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const lines: string[] = [];
  for (let start = 0; start <= bytes.length; ) {
    const end = bytes.indexOf(0x0a, start);
    const line = bytes.subarray(start, end === -1 ? bytes.length : end);
    try {
      lines.push(decoder.decode(line));
    } catch {
      lines.push('');
      report.error({ ...NOWHERE, line: lines.length }, 'is not valid UTF-8');
    }
    start = end === -1 ? bytes.length + 1 : end + 1;
  }
  return report.failed ? null : lines.join('\n');
}

function interpret(document: Document, env: Environment, report: Report): Config | null {
  const one = <K extends schema.Keys>(spec: schema.SectionSpec<K>): Reading<K> => {
    const found = document.sections.find((section) => section.spec.kind === spec.kind);
    return readSection(spec, found ?? null, env, report);
  };
  const all = <K extends schema.Keys>(spec: schema.SectionSpec<K>): Reading<K>[] => {
    const found = document.sections.filter((section) => section.spec.kind === spec.kind);
    if (found.length === 0 && !document.refused.has(spec.kind)) {
      report.error(NOWHERE, `there is no [${spec.kind} NAME] section; at least one is needed`);
    }
    return found.map((section) => readSection(spec, section, env, report));
  };
  const server = one(schema.server);
  const admin = one(schema.admin);
  const log = one(schema.log);
  const limits = one(schema.limits);
  const cache = one(schema.cache);
  const volumes = all(schema.volume);
  const mounts = all(schema.mount);
  checkTogether({ server, admin, cache, volumes, mounts }, report);
  if (report.failed) return null;
  return deepFreeze({
    file: report.file,
    server: toServer(complete(schema.server, server)),
    admin: toAdmin(complete(schema.admin, admin)),
    log: toLog(complete(schema.log, log)),
    limits: toLimits(complete(schema.limits, limits)),
    cache: toCache(complete(schema.cache, cache)),
    volumes: volumes.map((each) => toVolume(each.name, complete(schema.volume, each))),
    mounts: mounts.map((each) => toMount(each.name, complete(schema.mount, each))),
    warnings: report.warnings(),
  });
}

/** Whoever leaves a value out reports an error, so there is none left out here. */
function complete<K extends schema.Keys>(
  spec: schema.SectionSpec<K>,
  { values }: Reading<K>,
): schema.Values<K> {
  if (isComplete(spec, values)) return values;
  throw new Error(`a value of [${spec.kind}] was left out without an error`);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const each of Object.values(value)) deepFreeze(each);
  }
  return value;
}
