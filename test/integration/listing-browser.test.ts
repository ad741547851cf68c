/** Listings as a real browser shows them. */
import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { Cluster } from '../support/cluster/cluster.js';
import { Gfserve } from '../support/gfserve.js';

const CHROMIUM = '/usr/bin/chromium';
const SWITCHES = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const bytes = (...parts: (string | number[])[]): Buffer =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))),
  );

/** Each contains its own name. */
const NAMES: readonly Buffer[] = [
  bytes('plain.txt'),
  bytes('<img src=x onerror=alert(1)>.txt'),
  bytes('"><svg onload=alert(1)>.txt'),
  bytes('javascript:alert(1).txt'),
  bytes('a:b.txt'),
  bytes('?q=1#f.txt'),
  bytes('100%41.txt'),
  bytes('&amp; &lt;b>.txt'),
  bytes('Grüße-日本語-🎉.txt'),
  bytes('f', [0xff, 0xfe], '.txt'),
  bytes('report\u202egnp.txt'),
  bytes('مرحبا.txt'),
  bytes('tab\tnew\nline.txt'),
  bytes(`${'n'.repeat(251)}.txt`),
];

let cluster: Cluster;
let server: Gfserve;
let profile: string;
let browser: BrowserContext;
let page: Page;
const complaints: string[] = [];

beforeAll(async () => {
  cluster = await Cluster.up({ dir: await mkdtemp(join(tmpdir(), 'gfserve-browser-')), nodes: 1 });
  await cluster.createVolume('site', { bricks: 1 });
  const root = await cluster.mount('site');
  await mkdir(join(root, 'names/Sub folder/<i>deep'), { recursive: true });
  for (const name of NAMES) {
    await writeFile(Buffer.concat([Buffer.from(join(root, 'names/')), name]), name);
  }
  await mkdir(join(root, 'sizes'));
  for (const [name, size, date] of [
    ['small', 10, 1_600_000_000],
    ['large', 1_500_000, 1_400_000_000],
    ['middle', 2000, 1_700_000_000],
  ] as const) {
    await writeFile(join(root, 'sizes', name), Buffer.alloc(size));
    await utimes(join(root, 'sizes', name), date, date);
  }
  await mkdir(join(root, 'sizes/zfolder'));
  await symlink('large', join(root, 'sizes/zlink'));
  await mkdir(join(root, 'empty'));
  server = await Gfserve.start({
    config: `
[volume site]
servers = ${cluster.addresses.join(', ')}
[mount main]
path = /
volume = site
autoindex = html
charset = utf-8
`,
  });
  profile = await mkdtemp(join(tmpdir(), 'gfserve-profile-'));
  browser = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    args: SWITCHES,
    viewport: { width: 1280, height: 800 },
  });
  page = await browser.newPage();
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('dialog', (dialog) => {
    complaints.push(`a script ran: ${dialog.message()}`);
    void dialog.dismiss();
  });
}, 240_000);

afterAll(async () => {
  await browser?.close();
  await server?.stop();
  await cluster?.down();
  if (profile) await rm(profile, { recursive: true, force: true });
}, 240_000);

const shownNames = (): Promise<string[]> => page.locator('tbody a:not(.up) bdi').allTextContents();

test('nothing else is loaded, and nothing is complained about', async () => {
  const asked: string[] = [];
  const note = (request: { url(): string }): void => {
    if (!request.url().startsWith('data:')) asked.push(request.url());
  };
  page.on('request', note);
  await page.goto(server.url('/names/'));
  await page.waitForLoadState('networkidle');
  page.off('request', note);
  expect(asked).toEqual([server.url('/names/')]);
  expect(await page.title()).toBe('Index of /names/');
  expect(complaints).toEqual([]);
});

describe('names', () => {
  test('every link leads to its own file', async () => {
    await page.goto(server.url('/names/'));
    const links = page.locator('tbody a:not(.up):not(.folder)');
    expect(await links.count()).toBe(NAMES.length);
    const contents: string[] = [];
    for (let i = 0; i < NAMES.length; i++) {
      const url = await links.nth(i).evaluate((link) => (link as unknown as { href: string }).href);
      expect(new URL(url).origin).toBe(new URL(server.url('/')).origin);
      const answer = await browser.request.get(url);
      expect([url, answer.status()]).toEqual([url, 200]);
      contents.push((await answer.body()).toString('latin1'));
    }
    expect(contents.sort()).toEqual(NAMES.map((name) => name.toString('latin1')).sort());
    expect(complaints).toEqual([]);
  });

  test('are shown as they are', async () => {
    await page.goto(server.url('/names/'));
    const shown = await shownNames();
    for (const name of [
      '<img src=x onerror=alert(1)>.txt',
      '&amp; &lt;b>.txt',
      'Grüße-日本語-🎉.txt',
      'f\ufffd\ufffd.txt',
    ])
      expect(shown).toContain(name);
    expect(await page.locator('tbody img, tbody svg, tbody script').count()).toBe(0);
  });

  test('a click leads into a folder, the breadcrumb and the parent link out of it', async () => {
    await page.goto(server.url('/names/'));
    await page.getByRole('link', { name: 'Sub folder' }).click();
    await page.getByRole('link', { name: '<i>deep' }).click();
    expect(new URL(page.url()).pathname).toBe('/names/Sub%20folder/%3Ci%3Edeep/');
    expect(await page.locator('h1').textContent()).toBe('/names/Sub folder/<i>deep');
    await page.getByRole('link', { name: 'Parent folder' }).click();
    expect(new URL(page.url()).pathname).toBe('/names/Sub%20folder/');
    await page.locator('h1').getByRole('link', { name: 'names' }).click();
    expect(new URL(page.url()).pathname).toBe('/names/');
    await page.locator('h1').getByRole('link', { name: '/' }).click();
    expect(new URL(page.url()).pathname).toBe('/');
    expect(await page.getByRole('link', { name: 'Parent folder' }).count()).toBe(0);
  });
});

describe('order', () => {
  const sorted = async (): Promise<(string | null)[]> => {
    const heading = page.locator('th[aria-sort]');
    return [await heading.locator('a').textContent(), await heading.getAttribute('aria-sort')];
  };

  test('a heading sorts by its column, and again the other way round', async () => {
    await page.goto(server.url('/sizes/'));
    expect(await shownNames()).toEqual(['zfolder', 'large', 'middle', 'small', 'zlink']);
    expect(await sorted()).toEqual(['Name', 'ascending']);
    await page.getByRole('link', { name: 'Size' }).click();
    expect(await shownNames()).toEqual(['zfolder', 'large', 'zlink', 'middle', 'small']);
    expect(await sorted()).toEqual(['Size', 'descending']);
    await page.getByRole('link', { name: 'Size' }).click();
    expect(await shownNames()).toEqual(['zfolder', 'small', 'middle', 'large', 'zlink']);
    await page.getByRole('link', { name: /Modified/ }).click();
    expect(await shownNames()).toEqual(['zfolder', 'middle', 'small', 'large', 'zlink']);
    expect(await page.locator('p').textContent()).toBe('1 folder, 4 files, 3.0 MB');
  });

  test('an empty folder says so', async () => {
    await page.goto(server.url('/empty/'));
    expect(await page.locator('p').textContent()).toBe('This folder is empty.');
  });
});

describe('layout', () => {
  test.each([
    [1280, 'light'],
    [1280, 'dark'],
    [360, 'light'],
    [320, 'dark'],
  ] as const)(
    '%d pixels wide, %s: no sideways scrolling, and text that can be read',
    async (width, colorScheme) => {
      await page.setViewportSize({ width, height: 740 });
      await page.emulateMedia({ colorScheme });
      await page.goto(server.url('/names/'));
      const { scrollWidth, background, rows } = (await page.evaluate(`({
      scrollWidth: document.documentElement.scrollWidth,
      background: getComputedStyle(document.body).backgroundColor,
      rows: [...document.querySelectorAll('tbody tr')].every((row) =>
        [...row.children].every((cell) => cell.scrollWidth <= cell.clientWidth + 1)),
    })`)) as { scrollWidth: number; background: string; rows: boolean };
      expect([scrollWidth, rows]).toEqual([width, true]);
      const brightness = Math.max(...(background.match(/\d+/g) ?? []).map(Number));
      expect(brightness > 128).toBe(colorScheme === 'light');
    },
  );
});
