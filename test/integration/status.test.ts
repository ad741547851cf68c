/** /status of a real gfserve with two workers: as a real browser shows it, as JSON, and by `gfserve status`. */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  type Browser,
  type BrowserContext,
  chromium,
  type Locator,
  type Page,
} from 'playwright-core';
import { readStatus } from '../../src/status/read.js';
import type { StatusReport } from '../../src/status/report.js';
import { grouped } from '../../src/words.js';
import { get } from '../support/client.js';
import { Cluster } from '../support/cluster/cluster.js';
import { Gfserve, until } from '../support/gfserve.js';

const CHROMIUM = '/usr/bin/chromium';
const SWITCHES = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run'];
/** For what takes gfserve a second or two, on a machine that may be busy. */
const SOON_MS = 30_000;

let cluster: Cluster;
let server: Gfserve;
let browser: Browser;
let context: BrowserContext;
let page: Page;
const complaints: string[] = [];

beforeAll(async () => {
  cluster = await Cluster.up({ dir: await mkdtemp(join(tmpdir(), 'gfserve-status-')), nodes: 1 });
  await cluster.createVolume('site', { replica: 2 });
  await cluster.createVolume('alone', { bricks: 1 });
  for (const volume of ['site', 'alone']) {
    await writeFile(join(await cluster.mount(volume), 'a.txt'), 'x'.repeat(1000));
  }
  const servers = cluster.addresses.join(', ');
  server = await Gfserve.start({
    workers: 2,
    config: `
[cache]
valid = 1s
[volume site]
servers = ${servers}
[volume alone]
servers = ${servers}
[mount main]
path = /
volume = site
[mount alone]
path = /alone
volume = alone
`,
  });
  browser = await chromium.launch({ executablePath: CHROMIUM, args: SWITCHES });
  context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  await context.addInitScript(`addEventListener('securitypolicyviolation', (event) =>
    console.error('refused by the policy: ' + event.violatedDirective + ' ' + event.blockedURI))`);
  page = await context.newPage();
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
}, 240_000);

afterAll(async () => {
  await browser?.close();
  await server?.stop();
  await cluster?.down();
}, 240_000);

const admin = (path: string): string => `http://127.0.0.1:${server.adminPort}${path}`;

async function status(): Promise<StatusReport> {
  const report = readStatus(await (await fetch(admin('/status.json'))).json());
  if (!report) throw new Error('what /status.json says is not understood');
  return report;
}

/** The sum of all series of a metric. */
async function metric(name: string): Promise<number> {
  const text = await (await fetch(admin('/metrics'))).text();
  const values = text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .map((line) => Number(line.split(' ').at(-1)));
  return values.reduce((sum, value) => sum + value, 0);
}

const textOf = async (locator: Locator): Promise<string> => (await locator.textContent()) ?? '';
const mainText = (): Promise<string> => textOf(page.locator('main'));
const shows = (text: string): Promise<unknown> =>
  until(`the page shows ${text}`, SOON_MS, async () => (await mainText()).includes(text));
const live = (): Promise<unknown> => page.locator('#live.live').waitFor({ timeout: SOON_MS });

describe('in which form', () => {
  test.each([
    ['/status', 'text/html,application/xhtml+xml,*/*;q=0.8', 'text/html; charset=utf-8'],
    ['/status', '*/*', 'application/json'],
    ['/status', 'application/json', 'application/json'],
    ['/status.json', 'text/html', 'application/json'],
  ])('%s for who accepts %s', async (path, accept, type) => {
    const answer = await fetch(admin(path), { headers: { accept } });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, type]);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    if (path === '/status') expect(answer.headers.get('vary')).toBe('Accept');
    if (type === 'application/json') expect(readStatus(await answer.json())).not.toBeNull();
    else expect(answer.headers.get('content-security-policy')).toMatch(/^default-src 'none';/);
  });
});

describe('the page', () => {
  test('says what /metrics says', async () => {
    for (let i = 0; i < 30; i++) await get(server.port, '/a.txt');
    for (let i = 0; i < 5; i++) await get(server.port, '/missing');
    for (let i = 0; i < 3; i++) await get(server.port, '/alone/a.txt');
    const requests = await metric('gfserve_http_requests_total');
    expect(requests).toBe(38);
    await page.goto(admin('/status'));
    await live();
    await shows('38 requests since the start');
    const report = await status();
    expect(report.requests.total).toBe(requests);
    expect(report.requests.bytes).toBe(await metric('gfserve_http_response_body_bytes_total'));
    expect(report.requests.classes['4xx'].total).toBe(5);
    expect(report.mounts.map(({ name, total }) => [name, total])).toEqual([
      ['main', 35],
      ['alone', 3],
    ]);
    expect(report.volumes.map(({ name, state, workers }) => [name, state, workers])).toEqual([
      ['site', 'healthy', { healthy: 2 }],
      ['alone', 'healthy', { healthy: 2 }],
    ]);
    expect(report.volumes.flatMap(({ bricks }) => bricks.map(({ up }) => up))).toEqual([
      true,
      true,
      true,
    ]);
    expect([report.ready, report.workersReady, report.missing]).toEqual([true, 2, []]);
    const text = await mainText();
    for (const words of ['Ready', '2 of 2 workers ready', 'healthy', '4xx: ', '5 in all'])
      expect(text).toContain(words);
  });

  test('is live: requests and the plot of them appear by themselves', async () => {
    let navigations = 0;
    page.on('framenavigated', () => {
      navigations += 1;
    });
    const before = await metric('gfserve_http_requests_total');
    for (let i = 0; i < 12; i++) await get(server.port, '/a.txt');
    await shows(`${grouped(before + 12)} requests since the start`);
    await until('steps are drawn', SOON_MS, async () => {
      const line = page.locator('#requests path.line.s2');
      return (await line.count()) > 0;
    });
    expect(navigations).toBe(0);
  });

  test('loads nothing but itself and its JSON', async () => {
    const asked = new Set<string>();
    const other = await context.newPage();
    other.on('request', (request) => asked.add(request.url()));
    await other.goto(admin('/status'));
    await other.locator('#live.live').waitFor({ timeout: SOON_MS });
    await other.close();
    const loaded = [...asked].filter((url) => !url.startsWith('data:'));
    expect(loaded).toEqual([admin('/status'), admin('/status.json')]);
  });

  test('pauses while nobody sees it, and goes on', async () => {
    const hide = (hidden: boolean): Promise<unknown> =>
      page.evaluate(`Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'))`);
    await hide(true);
    await page.locator('#live.paused').waitFor();
    // One may have been under way.
    await page.waitForTimeout(500);
    let asked = 0;
    const count = (): void => {
      asked += 1;
    };
    page.on('request', count);
    await page.waitForTimeout(4_500);
    expect(asked).toBe(0);
    await hide(false);
    await live();
    expect(asked).toBeGreaterThan(0);
    page.off('request', count);
  });

  test('keeps what somebody has selected', async () => {
    await page.evaluate(`getSelection().selectAllChildren(document.querySelector('.card h3 bdi'))`);
    const before = await metric('gfserve_http_requests_total');
    await get(server.port, '/a.txt');
    await shows(`${grouped(before + 1)} requests since the start`);
    expect(await page.evaluate('String(getSelection())')).toBe('site');
  });

  test('works without a script', async () => {
    const plain = await browser.newContext({ javaScriptEnabled: false });
    const still = await plain.newPage();
    await still.goto(admin('/status'));
    const text = await textOf(still.locator('body'));
    for (const words of ['As of ', 'Ready', 'site', 'healthy', 'requests since the start'])
      expect(text).toContain(words);
    await plain.close();
  });

  test.each([
    [1280, 'light'],
    [1280, 'dark'],
    [390, 'light'],
    [390, 'dark'],
  ] as const)('%d pixels wide, %s: no sideways scrolling', async (width, colorScheme) => {
    await page.setViewportSize({ width, height: 844 });
    await page.emulateMedia({ colorScheme });
    const { scrollWidth, background } = (await page.evaluate(`({
      scrollWidth: document.documentElement.scrollWidth,
      background: getComputedStyle(document.body).backgroundColor,
    })`)) as { scrollWidth: number; background: string };
    expect(scrollWidth).toBe(width);
    const brightness = Math.max(...(background.match(/\d+/g) ?? []).map(Number));
    expect(brightness > 128).toBe(colorScheme === 'light');
  });

  test('text stands out from what is behind it', async () => {
    await page.setViewportSize({ width: 1280, height: 900 });
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await page.evaluate(FAINT)).toEqual([]);
    }
  });
});

/** Texts with less than 4.5:1, which is what WCAG asks of small ones. All backgrounds are opaque. */
const FAINT = `(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (text) => {
    const [r, g, b] = parse(text).map((each) => {
      const part = each / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const { backgroundColor } = getComputedStyle(each);
      if (parse(backgroundColor)[3] !== 0) return backgroundColor;
    }
  };
  const own = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '');
  return [...document.querySelectorAll('header *, main *')].filter(own).flatMap((element) => {
    const two = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => b - a);
    const ratio = (two[0] + 0.05) / (two[1] + 0.05);
    return ratio >= 4.5 ? [] : [element.outerHTML + ' ' + ratio];
  });
})()`;

describe('gfserve status', () => {
  test('says it in a terminal, with 0 when all is ready', async () => {
    const { code, output } = await server.command('status');
    expect([code, output]).toEqual([
      0,
      expect.stringMatching(/^gfserve \S+ on \S+ {2}ready {2}up /),
    ]);
    expect(output).toMatch(/\nrequests +\S+\/s {2}[▁-█ ]+\n/);
    expect(output).toMatch(/\nsite +healthy /);
    // Nobody's terminal: no colours.
    expect(output).not.toContain('\x1b');
  });

  test('--json is what the listener says', async () => {
    const { code, output } = await server.command('status', ['--json']);
    expect([code, readStatus(JSON.parse(output))?.pid]).toEqual([0, server.pid]);
  });

  test('--watch goes on until it is told to stop', async () => {
    const { code, output } = await server.command('status', ['--watch'], 'SIGINT');
    expect([code, output]).toEqual([0, expect.stringContaining('\nsite ')]);
  });
});

describe('what goes wrong', () => {
  test('a worker that dies is among the events, and takes no count along', async () => {
    await live();
    const before = (await status()).requests.total;
    const [victim] = await server.workers();
    if (!victim) throw new Error('no worker');
    process.kill(victim.pid, 'SIGKILL');
    await shows(`worker ${victim.number} (pid ${victim.pid}) was killed by SIGKILL`);
    await shows('is ready after');
    const after = await status();
    expect(after.requests.total).toBe(before);
    expect(after.events.map(({ kind }) => kind)).toContain('worker');
  });

  test('a brick that dies, and its volume, and that nothing is ready', async () => {
    const [brick] = await cluster.bricks('alone');
    if (!brick) throw new Error('no brick');
    await cluster.killBrick('alone', 0);
    await shows('Not ready');
    const card = page.locator('.card.bad');
    await card.waitFor({ timeout: SOON_MS });
    const text = await textOf(card);
    expect(text).toMatch(/^alone ✕ down\n/);
    expect(text).toContain('/bricks/alone-0');
    expect(text).toContain('down ');
    expect(await textOf(page.locator('ul.missing'))).toContain('volume alone: down in worker');
    // The page puts what is worst first.
    expect(await page.locator('.card h3 bdi').allTextContents()).toEqual(['alone', 'site']);
    expect(await page.title()).toMatch(/^Not ready: /);
    const { code, output } = await server.command('status');
    expect([code, output]).toEqual([1, expect.stringMatching(/\nalone +down /)]);
    expect(output).toMatch(/bricks\/alone-0 is not connected, for \d/);
    await cluster.startBricks('alone');
    await shows('volume alone is healthy');
  });

  test('none of it was against the policy, or an error in the script', () => {
    expect(complaints.filter((each) => !/Failed to load resource/.test(each))).toEqual([]);
  });

  test('an admin listener that moves away: the page says since when there was no answer, the command what to do', async () => {
    await live();
    const ini = join(server.dir, 'server.ini');
    const text = await readFile(ini, 'utf8');
    await server.write(text.replace(/\[admin\]\nlisten = .*/, ''));
    const none = await server.command('status');
    expect([none.code, none.output]).toEqual([3, expect.stringContaining('no [admin] listen')]);
    const path = join(server.dir, 'admin.sock');
    await server.write(text.replace(/(\[admin\]\nlisten = ).*/, `$1unix:${path}`));
    const early = await server.command('status');
    expect([early.code, early.output]).toEqual([3, expect.stringContaining('"gfserve reload"')]);
    expect((await server.command('reload')).code).toBe(0);
    await page.locator('#live.lost').waitFor({ timeout: SOON_MS });
    expect(await textOf(page.locator('#live'))).toMatch(/^No answer since \d\d:\d\d:\d\d/);
    // The new workers may not have reported yet.
    let output = '';
    await until('gfserve status says 0 over the unix socket', SOON_MS, async () => {
      const said = await server.command('status');
      output = said.output;
      return said.code === 0;
    });
    expect(output).toContain('reload: done in');
  });

  test('a gfserve that is gone', async () => {
    server.signal('SIGTERM');
    await server.exited;
    const { code, output } = await server.command('status');
    expect([code, output]).toEqual([3, expect.stringContaining('gfserve does not run with')]);
    expect(output).toContain('start it');
  });
});
