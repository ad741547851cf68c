/** The status as a page that needs nothing else: its first state is in it, and a script that keeps it live. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { escapeHtml } from '../words.js';
import type { StatusReport } from './report.js';
import { STYLE } from './style.js';
import { statusView } from './view.js';

export interface StatusPage {
  readonly type: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What the browser runs is what the server has run: these files, each of which imports no others, in this order. */
const PARTS = ['../words.js', './plot.js', './view.js', './live.js'];

/** One script of all parts, in one scope. */
function scriptOf(version: string): string {
  const parts = PARTS.map((name) =>
    readFileSync(new URL(name, import.meta.url), 'utf8')
      .replace(/^import\b[^;]*;$/gm, '')
      .replace(/^export (?=const|function|class|async)/gm, '')
      .replace(/^export \{\};?$/gm, '')
      .replace(/^\/\/# sourceMappingURL=.*$/gm, ''),
  );
  const script = `${parts.join('')}\nlive({ document, location }, ${JSON.stringify(version)});\n`;
  // Either would end the script, or have it read otherwise than it is.
  if (/<\/script|<!--/i.test(script)) throw new Error("the status page's script cannot be inlined");
  return script;
}

const sha256 = (text: string): string =>
  `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** A square of bars, in a colour that stands out from light and dark tabs. */
const ICON =
  "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16' fill='%235596e0'><rect x='1' y='8' width='3.6' height='7' rx='1'/><rect x='6.2' y='4' width='3.6' height='11' rx='1'/><rect x='11.4' y='1' width='3.6' height='14' rx='1'/></svg>";

interface Fixed {
  readonly script: string;
  readonly policy: string;
}

/** By version, of which a process has one. */
const made = new Map<string, Fixed>();

function fixed(version: string): Fixed {
  const found = made.get(version);
  if (found) return found;
  const script = scriptOf(version);
  // Nothing is loaded, run, sent or framed but what is in the page, and its own JSON.
  const policy = `default-src 'none'; script-src ${sha256(script)}; style-src ${sha256(STYLE)}; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  const result = { script, policy };
  made.set(version, result);
  return result;
}

/** For who has no script: their time zone is not known. */
const utcClock = (ms: number): string => `${new Date(ms).toISOString().slice(11, 19)} UTC`;

export function statusPage(report: StatusReport): StatusPage {
  const { script, policy } = fixed(report.version);
  const { version, host, ready } = report;
  const body = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex">
<title>${ready ? '' : 'Not ready: '}gfserve on ${escapeHtml(host)}</title>
<link rel="icon" href="${ICON}">
<style>${STYLE}</style>
</head>
<body>
<header><h1>gfserve <small>${escapeHtml(version)} on ${escapeHtml(host)}</small></h1><p id="live" role="status">As of ${utcClock(Date.parse(report.at))}; reload the page for newer figures</p></header>
<main>${statusView(report, utcClock)}</main>
<output id="readout"></output>
<script type="module">${script}</script>
</body>
</html>
`;
  return {
    type: 'text/html; charset=utf-8',
    body,
    headers: {
      'Content-Security-Policy': policy,
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
    },
  };
}
