import { RESERVED_NAMES } from './names.js';
import type { Reading } from './reading.js';
import type { Report } from './report.js';
import type { mount } from './schema.js';

type Mount = Reading<typeof mount.keys>;

/** What can only be said of several rules of a mount together, or of them and its root. */
export function checkRules(reading: Mount, report: Report): void {
  checkRepeated(reading, report);
  checkHeaders(reading, report);
  checkErrorPages(reading, report);
  checkFiles(reading, report);
}

/** Where the first match wins, a second rule for the very same would never be used. */
function checkRepeated({ values, place }: Mount, report: Report): void {
  const firsts = {
    rewrite: values.rewrite?.map(({ pattern }) => pattern),
    redirect: values.redirect?.map(({ pattern }) => pattern),
    'cache-control': values['cache-control']?.map(({ glob }) => glob),
    // Their case does not count.
    type: values.type?.map(({ glob }) => glob.toLowerCase()),
  };
  for (const key of ['rewrite', 'redirect', 'cache-control', 'type'] as const) {
    const lines = new Map<string, number | null>();
    for (const [index, first] of firsts[key]?.entries() ?? []) {
      const here = place(key, index);
      const earlier = lines.get(first);
      if (earlier === undefined) lines.set(first, here.line);
      else report.error(here, `"${first}" already has its rule in line ${earlier}`);
    }
  }
}

function checkHeaders({ values, place }: Mount, report: Report): void {
  const lines = new Map<string, { readonly line: number | null; readonly removes: boolean }>();
  const seen = new Map<string, number | null>();
  for (const [index, { name, value }] of values.header?.entries() ?? []) {
    const here = place('header', index);
    const key = name.toLowerCase();
    const twin = seen.get(`${key}:${value}`);
    const earlier = lines.get(key);
    if (twin !== undefined) report.error(here, `is the same as line ${twin}`);
    else if (earlier && earlier.removes !== (value === '')) {
      report.error(
        here,
        `${name} is ${earlier.removes ? 'removed' : 'set'} in line ${earlier.line}`,
      );
    }
    seen.set(`${key}:${value}`, twin ?? here.line);
    lines.set(key, earlier ?? { line: here.line, removes: value === '' });
  }
}

function checkErrorPages({ values, place }: Mount, report: Report): void {
  const lines = new Map<number, number | null>();
  for (const [index, { statuses }] of values['error-page']?.entries() ?? []) {
    const here = place('error-page', index);
    for (const status of statuses) {
      const earlier = lines.get(status);
      if (earlier === undefined) lines.set(status, here.line);
      else report.error(here, `${status} already has its page in line ${earlier}`);
    }
  }
}

function checkFiles({ values, place }: Mount, report: Report): void {
  if (values.root !== '/') return;
  const files = [
    { path: values.fallback ?? '', here: place('fallback') },
    ...(values['error-page'] ?? []).map(({ path }, index) => ({
      path,
      here: place('error-page', index),
    })),
  ];
  for (const { path, here } of files) {
    const first = path.split('/')[1] ?? '';
    if (RESERVED_NAMES.includes(first)) {
      report.error(here, `"${path}" is in /${first}, which GlusterFS keeps for itself`);
    }
  }
}
