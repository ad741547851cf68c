/** The status as a page, as JSON and in a terminal. */
import { createHash } from 'node:crypto';
import { Script } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { asksForPage, statusJson } from '../../src/status/answer.js';
import { statusPage } from '../../src/status/page.js';
import { drawing, niceTop, type Plot, rangeOf, readout } from '../../src/status/plot.js';
import { readStatus } from '../../src/status/read.js';
import type { HistoryColumns, StatusReport } from '../../src/status/report.js';
import { sparkline, statusLines } from '../../src/status/terminal.js';
import { statusView } from '../../src/status/view.js';
import { humanDuration, humanMs, humanRate, humanShare } from '../../src/words.js';
import { AT_MS, statusReport } from '../support/status_report.js';

const clock = (ms: number): string => new Date(ms).toISOString();

test.each([
  [null, '–'],
  [0, '0'],
  [0.001, '<0.01'],
  [0.25, '0.25'],
  [0.999, '1.0'],
  [3.44, '3.4'],
  [9.96, '10'],
  [1234.5, '1,235'],
])('a rate of %d is %s', (rate, text) => expect(humanRate(rate)).toBe(text));

test.each([
  [null, '–'],
  [0, '0 ms'],
  [0.123, '0.12 ms'],
  [0.999, '1.0 ms'],
  [9.96, '10 ms'],
  [999.4, '999 ms'],
  [999.6, '1.0 s'],
  [12_345, '12 s'],
])('%d ms are %s', (ms, text) => expect(humanMs(ms)).toBe(text));

test.each([
  [null, '–'],
  [0, '0 %'],
  [0.0001, '<0.1 %'],
  [0.034, '3.4 %'],
  [0.5, '50 %'],
  [0.9999, '99.9 %'],
  [1, '100 %'],
])('a share of %d is %s', (share, text) => expect(humanShare(share)).toBe(text));

test.each([
  [-5, '0 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [3_600_000, '1 h'],
  [12_000_000, '3 h 20 min'],
  [86_400_000, '1 d'],
  [352_800_000, '4 d 2 h'],
])('%d ms last %s', (ms, text) => expect(humanDuration(ms)).toBe(text));

const HOSTILE = `"><script>alert(1)</script><img src=x onerror='alert(1)'>&lt;`;

describe('the page', () => {
  test('escapes whatever is not its own', () => {
    const { body } = statusPage(statusReport(HOSTILE));
    expect(body.split(HOSTILE)).toHaveLength(1);
    expect(body).not.toMatch(/<img|<script>/);
    expect(body.match(/<script/g)).toHaveLength(1);
    // In the host, twice; what is missing; the volume and its two bricks; the mount; the event.
    const escaped = body.match(/&quot;&gt;&lt;script&gt;alert\(1\)&lt;\/script&gt;&lt;img/g) ?? [];
    expect(escaped.length).toBeGreaterThanOrEqual(8);
  });

  test('has nothing that its policy forbids, and the policy is for what is in it', () => {
    const { body, headers } = statusPage(statusReport());
    const hash = (text = ''): string =>
      `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
    const policy = headers['Content-Security-Policy'] ?? '';
    const [, style] = /<style>([\s\S]*?)<\/style>/.exec(body) ?? [];
    const [, script] = /<script type="module">([\s\S]*?)<\/script>/.exec(body) ?? [];
    expect(policy).toContain(`style-src ${hash(style)};`);
    expect(policy).toContain(`script-src ${hash(script)};`);
    expect(policy).toMatch(/^default-src 'none';/);
    expect(policy).not.toContain('unsafe');
    const markup = body.replace(script ?? '', '');
    expect(markup).not.toMatch(/<[^>]*\s(style|on\w+)\s*=/i);
    expect(markup).not.toMatch(/(?:src|href)="(?!data:)/);
  });

  test('has a script of one piece, which is valid by itself', () => {
    const [, script = ''] =
      /<script type="module">([\s\S]*?)<\/script>/.exec(statusPage(statusReport()).body) ?? [];
    expect(script).not.toMatch(/^\s*(import|export)\b/m);
    expect(() => new Script(`(async () => {"use strict";${script}\n})`)).not.toThrow();
  });

  test('says the same without a script', () => {
    const { body } = statusPage(statusReport());
    for (const text of [
      ...['Not ready', 'volume site: down in worker 1', 'up 2 h 5 min', '413/s', '45.6 ms'],
      ...['node2:/site/brick-1', 'down 1 min', 'timeout 4', '97 %', '2 of 2 workers ready'],
    ])
      expect(body).toContain(text === '45.6 ms' ? '46 ms' : text);
  });

  test('a volume with many bricks shows those that are not connected, and folds the others away', () => {
    const report = statusReport();
    const [volume] = report.volumes;
    if (!volume) throw new Error('no volume');
    const since = report.at;
    const bricks = Array.from({ length: 40 }, (_, i) => ({ text: `h:/${i}`, up: i !== 7, since }));
    const html = statusView({ ...report, volumes: [{ ...volume, bricks }] }, clock);
    expect(html).toContain('<summary>39 of 40 bricks up</summary>');
    expect(html.indexOf('h:/7<')).toBeLessThan(html.indexOf('<details>'));
  });

  test('what is worst comes first', () => {
    const report = statusReport();
    const [volume] = report.volumes;
    if (!volume) throw new Error('no volume');
    const volumes = [{ ...volume, name: 'fine', state: 'healthy' as const }, volume];
    const html = statusView({ ...report, volumes }, clock);
    expect(html.indexOf('<bdi>site</bdi>')).toBeLessThan(html.indexOf('<bdi>fine</bdi>'));
  });
});

describe('plots', () => {
  const plot = (values: (number | null)[], changes: Partial<Plot> = {}): Plot => ({
    id: 'p',
    title: 'T',
    now: '1',
    note: '',
    series: [{ label: 'a', colour: 's2', values }],
    scale: 'stacked',
    at: values.map((_, i) => AT_MS - (values.length - 1 - i) * 5_000),
    endMs: AT_MS,
    stepMs: 5_000,
    top: null,
    format: String,
    ...changes,
  });
  const lines = (svg: string): string[] =>
    [...svg.matchAll(/class="line \w+" d="([^"]*)"/g)].map(([, d = '']) => d);

  test.each([
    [0, 1],
    [-1, 1],
    [0.3, 0.4],
    [1, 1],
    [1.2, 2],
    [7, 8],
    [540, 600],
    [1e9, 1e9],
  ])('a scale for %d ends at %d', (most, top) => expect(niceTop(most)).toBeCloseTo(top, 12));

  test('a scale has room for everything, and for no more than twice of it', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1e12, noNaN: true }), (most) => {
        const top = niceTop(most);
        expect(top / most).toBeGreaterThan(0.999);
        expect(top / most).toBeLessThanOrEqual(2.0001);
      }),
    );
  });

  test('nothing is drawn where there is nothing', () => {
    expect(lines(drawing(plot([])))).toEqual([]);
    expect(lines(drawing(plot([null, null])))).toEqual([]);
  });

  test('lines are cut where something is not known, and where steps are missing', () => {
    expect(lines(drawing(plot([1, 1, null, 2, 2])))).toEqual(['M400 60L450 60M550 0L600 0']);
    const at = [AT_MS - 40_000, AT_MS - 35_000, AT_MS - 5_000, AT_MS];
    expect(lines(drawing(plot([1, 1, 1, 1], { at })))[0]?.match(/M/g)).toHaveLength(2);
    // One alone is as wide as a step is.
    expect(lines(drawing(plot([null, 1])))).toEqual(['M597.5 0h2.5']);
  });

  test('parts stand on each other', () => {
    const series = [
      { label: 'a', colour: 's2', values: [1, 1] },
      { label: 'b', colour: 's3', values: [1, 3] },
    ];
    const two = plot([0, 0], { series });
    expect(rangeOf(two)).toEqual({ bottom: 0, top: 4 });
    expect(lines(drawing(two))).toEqual(['M550 60L600 0', 'M550 90L600 90']);
    expect(readout(two, 1, () => 'T')).toBe('T   a 1   b 3');
  });

  test('a logarithmic one has round ends and a round middle', () => {
    expect(rangeOf(plot([0.09, 45], { scale: 'log' }))).toEqual({ bottom: 0.01, top: 100 });
    expect(rangeOf(plot([5], { scale: 'log' }))).toEqual({ bottom: 1, top: 100 });
    expect(rangeOf(plot([null], { scale: 'log' }))).toEqual({ bottom: 0.1, top: 10 });
    expect(lines(drawing(plot([1, 10, 100], { scale: 'log' })))).toEqual(['M500 120L550 60L600 0']);
  });
});

describe('as JSON', () => {
  test.each([
    [undefined, false],
    ['*/*', false],
    ['application/json', false],
    ['text/html', true],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8', true],
    ['application/json, text/html;q=0.5', false],
    ['image/png', false],
  ])('who accepts %s gets a page: %s', (accept, isPage) => {
    expect(asksForPage(accept)).toBe(isPage);
  });

  test('lists of numbers are on one line, and nothing is changed by that', () => {
    const numbers = [1, -2.5, 1e21, 1e-7, null];
    const events = ['[\n 1,\n 2\n]', '[ 1, 2 ]', '[null]'].map((text) => ({
      ...{ at: '', kind: 'worker' as const, tone: 'bad' as const },
      text,
    }));
    const report = statusReport('site', {
      events,
      history: { ...statusReport().history, p50Ms: numbers },
    });
    const { body } = statusJson(report);
    expect(body).toContain('"p50Ms": [1,-2.5,1e+21,1e-7,null]');
    expect(JSON.parse(body)).toEqual(report);
  });

  test('what was sent is understood, and what lacks something is not', () => {
    const sent = JSON.parse(statusJson(statusReport()).body) as Record<string, unknown>;
    expect(readStatus(sent)).toEqual(statusReport());
    for (const key of ['version', 'at', 'ready', 'requests', 'volumes', 'history', 'events']) {
      expect(readStatus({ ...sent, [key]: undefined })).toBeNull();
    }
    for (const value of [null, 'x', [], {}]) expect(readStatus(value)).toBeNull();
  });
});

describe('in a terminal', () => {
  const plain = { width: 100, colour: false, unicode: true };
  const columns = (values: number[]): HistoryColumns => ({
    ...statusReport().history,
    at: values.map((_, i) => AT_MS - (values.length - 1 - i) * 5_000),
    perSecond: { ...statusReport().history.perSecond, '2xx': values },
    p50Ms: values,
    p99Ms: values,
    hitRatio: values.map(() => 1),
    bytesPerSecond: values,
    connections: values,
  });
  const busy = (name = 'site'): StatusReport =>
    statusReport(name, { history: columns(Array.from({ length: 120 }, (_, i) => i)) });

  test('everything is there, in columns', () => {
    const lines = statusLines(busy(), plain);
    expect(lines[0]).toBe(
      'gfserve 1.2.3 on host-site  not ready  up 2 h 5 min, 2 of 2 workers ready, process 4711',
    );
    expect(lines[1]).toBe('  volume site: down in worker 1');
    const at = (start: string): number => lines.findIndex((line) => line.startsWith(start));
    expect(lines.slice(at('VOLUME'), at('VOLUME') + 3)).toEqual([
      'VOLUME  STATE    FOR  BRICKS UP     BUSY  STUCK  QUEUED  FAILED/MIN',
      'site    down   1 min     1 of 2  2 of 16      1       7           4',
      '  node2:/site/brick-1 is not connected, for 1 min',
    ]);
    expect(lines.slice(at('WORKER'), at('WORKER') + 3)).toEqual([
      'WORKER   PID  STATE            UP  BUSY  MEMORY  CONNECTIONS',
      '1       4712  ready     2 h 4 min  42 %  150 MB            9',
      '2          -  starting          -     –       -            0',
    ]);
    expect(lines[at('requests')]).toMatch(/^requests +413\/s {2}▁.*█$/);
    expect(lines[at('LAST EVENTS') + 1]).toBe('2026-11-27 11:58:59Z  volume site is down');
  });

  test('no line is longer than the terminal is wide', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 20, max: 200 }),
        fc.string({ maxLength: 80 }),
        (width, name) => {
          for (const line of statusLines(busy(name), { ...plain, width })) {
            expect([...line].length).toBeLessThanOrEqual(width);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  test('no name moves the cursor', () => {
    const lines = statusLines(busy('a\x1b[2Jb\nc\u202e'), plain);
    expect(lines.join('')).not.toMatch(/[\p{Cc}\u202e]/u);
  });

  test('colours change nothing else', () => {
    const coloured = statusLines(busy(), { ...plain, colour: true });
    expect(coloured.join('\n')).toContain('\x1b[31mnot ready\x1b[0m');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
    const bare = coloured.map((line) => line.replace(/\x1b\[\d+m/g, '').trimEnd());
    expect(bare).toEqual(statusLines(busy(), plain));
  });

  test('without Unicode it is ASCII', () => {
    for (const width of [30, 100]) {
      const text = statusLines(busy(), { width, colour: false, unicode: false }).join('');
      expect(text).toMatch(/^[\x20-\x7e]*$/);
    }
  });

  test.each([
    ['one sign each', [0, 1, 2, 4, 8], 10, null, '▁▁▂▄█'],
    ['their means, from the end', [8, 0, 0, 4, 4], 3, null, '█▁▄'],
    ['against what could be', [0, 0.5, 1], 10, 1, '▁▄█'],
    ['a gap where nothing is known', [1, null, 1], 10, null, '█ █'],
    ['a line where all is 0', [0, 0], 10, null, '▁▁'],
    ['nothing of nothing', [], 10, null, ''],
  ])('a sparkline is %s', (_, values, size, top, text) => {
    expect(sparkline(values, size, true, top)).toBe(text);
  });
});
