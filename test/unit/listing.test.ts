/** Listings as bodies, over folders that are no volume's. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { BodySource } from '../../src/http/body_source.js';
import { type Listing, type ListingRequest, prepareListing } from '../../src/http/listing.js';
import { ListingMemory, SORTED_ENTRIES } from '../../src/http/listing_source.js';
import { parsePath } from '../../src/http/path.js';
import type { FolderEntry, OpenFolder, StorageErrorCode } from '../../src/storage/storage.js';
import { FakeFolder, FakeTargets } from '../support/fake_folder.js';

const none = new FakeTargets({});

const request = (changes: Partial<ListingRequest> = {}): ListingRequest => ({
  format: 'html',
  path: '/pub/',
  prefix: '',
  query: '',
  storage: none,
  root: 0,
  folderPath: '/pub/',
  links: true,
  hidden: 'deny',
  ...changes,
});

const file = (name: string, size = 1, mtimeSeconds = 1420020000): FolderEntry => ({
  name,
  type: 'file',
  size,
  mtimeSeconds,
});
const folder = (name: string): FolderEntry => ({ ...file(name, 4096), type: 'directory' });
const link = (name: string): FolderEntry => ({ ...file(name, 7), type: 'link' });

const prepare = (
  open: OpenFolder,
  wanted: ListingRequest,
  memory = new ListingMemory(),
): Promise<Listing> => new Promise((resolve) => prepareListing(open, wanted, memory, resolve));

/** Pulls it to its end. */
async function drain(
  source: BodySource,
): Promise<{ text: string; error: StorageErrorCode | null }> {
  const parts: Uint8Array[] = [];
  for (;;) {
    const piece = await new Promise<Parameters<Parameters<BodySource['pull']>[0]>[0]>((resolve) => {
      source.pull(resolve);
    });
    if (piece.kind === 'piece') parts.push(piece.bytes);
    else
      return {
        text: Buffer.concat(parts).toString('utf8'),
        error: piece.kind === 'failed' ? piece.error.code : null,
      };
  }
}

async function list(
  batches: readonly (readonly FolderEntry[])[],
  changes: Partial<ListingRequest> = {},
): Promise<string> {
  const fake = new FakeFolder(batches);
  const listing = await prepare(fake.open, request(changes));
  if (listing.kind === 'failed') throw new Error(listing.error.code);
  const text =
    listing.kind === 'whole'
      ? Buffer.from(listing.body).toString('utf8')
      : (await drain(listing.source)).text;
  expect(fake.released).toBe(1);
  return text;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
};
const unescapeHtml = (text: string): string =>
  text.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity] ?? '');

/** The names that the page's rows link to, as the bytes that a request for them asks the volume for. */
function linkedNames(page: string): string[] {
  return [...page.matchAll(/<tr><td><a(?: class="[a-z]+")? href="\.\/([^"]*)">/g)].map(
    ([, href = '']) => {
      const parsed = parsePath(`/${unescapeHtml(href).replace(/\/$/, '')}`);
      if (!parsed.ok) throw new Error(`${href}: ${parsed.code}`);
      return parsed.path.slice(1);
    },
  );
}

/** Any bytes but NUL and the slash; not `.` and `..`. */
const names = fc.uniqueArray(
  fc
    .oneof(
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }).map((text) => Buffer.from(text)),
      fc
        .constantFrom(
          '<script>',
          '"><b x="',
          "'>",
          '&lt;',
          'javascript:x',
          '//e',
          '%00',
          '</style>',
          '<!--',
        )
        .map((text) => Buffer.from(text)),
    )
    .map((some) => Buffer.from(some).toString('latin1').replace(/[\0/]/g, '_'))
    .filter((name) => name !== '.' && name !== '..'),
  { maxLength: 30 },
);

describe('a page', () => {
  test('folders first, then by name; sizes, dates, totals', async () => {
    const page = await list([[file('b.txt', 1234), folder('z'), file('a', 1)]]);
    expect(linkedNames(page)).toEqual(['z', 'a', 'b.txt']);
    expect(page).toContain('<a class="folder" href="./z/"><bdi>z</bdi>/</a></td><td></td>');
    expect(page).toContain('<td title="1,234 bytes">1.2 kB</td>');
    expect(page).toContain('<td title="1 byte">1 B</td>');
    expect(page).toContain(
      '<time datetime="2014-12-31T10:00:00Z">2014-12-31 <span>10:00</span></time>',
    );
    expect(page).toContain('<p>1 folder, 2 files, 1.2 kB</p>');
    expect(page).toContain(
      '<th scope="col" aria-sort="ascending"><a rel="nofollow" href="?sort=name&amp;order=desc">',
    );
  });

  test('another order', async () => {
    const page = await list([[file('b', 3), file('a', 1), file('c', 2)]], {
      query: 'sort=size&order=desc',
    });
    expect(linkedNames(page)).toEqual(['b', 'c', 'a']);
    expect(page).toContain(
      'aria-sort="descending"><a rel="nofollow" href="?sort=size&amp;order=asc">',
    );
    expect(page.match(/aria-sort="/g)).toHaveLength(1);
    expect(page).toContain('name="robots" content="noindex"');
  });

  test('an empty folder', async () => {
    expect(await list([[]])).toContain('<p>This folder is empty.</p>');
    expect(await list([[file('.hidden')], []])).toContain('<p>This folder is empty.</p>');
  });

  test.each([
    ['/', '', '<bdi>/</bdi>', false],
    ['/a/', '', '<a href="../"><bdi>/</bdi></a><bdi>a</bdi>', true],
    [
      '/a/b/',
      '',
      '<a href="../../"><bdi>/</bdi></a><a href="../"><bdi>a</bdi></a><i>/</i><bdi>b</bdi>',
      true,
    ],
    ['/m/n/', '/m/n', '<bdi>/m/n</bdi>', false],
    ['/m/n/<b>/', '/m/n', '<a href="../"><bdi>/m/n</bdi></a><i>/</i><bdi>&lt;b&gt;</bdi>', true],
  ])('the way to %s under %j', async (path, prefix, crumbs, hasParent) => {
    const page = await list([[]], { path, prefix });
    expect(page).toContain(`<h1>${crumbs}</h1>`);
    expect(page.includes('<a class="up" href="../">')).toBe(hasParent);
  });

  test('any bytes as names: the links lead to exactly them, and no name becomes markup', async () => {
    const tags = (page: string): string[] => page.match(/<[^>]*>/g) ?? [];
    const skeleton =
      /<\/?(?:!DOCTYPE html|html|head|meta|title|link|style|body|h1|p|table|thead|tbody|tr|th|td|a|bdi|i|time|span)(?: [a-z-]+(?:="[^"<>]*")?)*>/;
    await fc.assert(
      fc.asyncProperty(names, fc.boolean(), async (some, asFolders) => {
        const entries = some.map((name) => (asFolders ? folder(name) : file(name)));
        const page = await list([entries], { hidden: 'allow', path: `/${some[0] ?? ''}/` });
        expect(linkedNames(page).sort()).toEqual([...some].sort());
        const body = page.slice(page.indexOf('</style>'));
        for (const tag of tags(body)) expect(tag.replace(skeleton, '')).toBe('');
        // What is left without the tags has none of the characters that begin one.
        expect(body.replace(/<[^>]*>/g, '')).not.toMatch(/[<>"']/);
        expect(body.match(/<tr>/g)).toHaveLength(some.length + 2);
      }),
      { numRuns: 200 },
    );
  });
});

describe('JSON', () => {
  const json = { format: 'json' } as const;

  test("is nginx's, byte for byte", async () => {
    const text = await list([[file('b', 123), folder('a')]], json);
    expect(text).toBe(
      '[\r\n{ "name":"a", "type":"directory", "mtime":"Wed, 31 Dec 2014 10:00:00 GMT" },\r\n' +
        '{ "name":"b", "type":"file", "mtime":"Wed, 31 Dec 2014 10:00:00 GMT", "size":123 }\r\n]',
    );
    expect(await list([[]], json)).toBe('[\r\n]');
    expect(await list([[file('\n\r\t\b\f\x01\x1f\x7f"\\')]], json)).toContain(
      `${String.raw`"name":"\n\r\t\b\f\u0001\u001F`}\x7f${String.raw`\"\\"`}`,
    );
  });

  test('does not follow the query', async () => {
    const batches = [[file('a', 1), file('b', 2)]];
    expect(await list(batches, { ...json, query: 'sort=size&order=desc' })).toBe(
      await list(batches, json),
    );
  });

  test('parses, and says what there is', async () => {
    await fc.assert(
      fc.asyncProperty(names, async (some) => {
        const text = await list([some.map((name) => file(name, 5))], { ...json, hidden: 'allow' });
        const parsed = JSON.parse(text) as { name: string; size: number; href?: string }[];
        const expected = [...some].sort();
        expect(parsed.map(({ name }) => name)).toEqual(
          expected.map((name) => Buffer.from(name, 'latin1').toString('utf8')),
        );
        const bytes = parsed.map(({ name, href }) => {
          const path = href === undefined ? null : parsePath(href.slice(1));
          return path?.ok ? path.path.slice(1) : Buffer.from(name).toString('latin1');
        });
        expect(bytes).toEqual(expected);
        expect(parsed.every(({ size }) => size === 5)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});

describe('what is shown', () => {
  test('hidden names where they are allowed, .well-known always; no FIFOs', async () => {
    const entries = [
      file('.a'),
      folder('.well-known'),
      { ...file('fifo'), type: 'other' as const },
    ];
    expect(linkedNames(await list([entries]))).toEqual(['.well-known']);
    expect(linkedNames(await list([entries], { hidden: 'allow' }))).toEqual(['.well-known', '.a']);
  });

  test('links are what they lead to, or left out; a few are resolved at once', async () => {
    const targets = new FakeTargets({
      '/pub/current': { type: 'directory' },
      '/pub/logo': { size: 4211, mtimeSeconds: 1420020000 },
      '/pub/outside': 'forbidden',
      '/pub/pipe': 'not-regular',
      '/pub/ill': 'io',
      ...Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`/pub/l${i}`, { size: i }])),
    });
    const links = ['current', 'logo', 'outside', 'pipe', 'ill', 'nowhere'].map(link);
    const many = Array.from({ length: 300 }, (_, i) => link(`l${i}`));
    const text = await list([[...links, file('z')], many], { format: 'json', storage: targets });
    const parsed = JSON.parse(text) as { name: string; type: string; size?: number }[];
    expect(parsed).toHaveLength(303);
    expect(parsed[0]).toMatchObject({ name: 'current', type: 'directory' });
    expect(parsed.find(({ name }) => name === 'logo')).toMatchObject({ type: 'file', size: 4211 });
    expect(parsed.find(({ name }) => name === 'l299')).toMatchObject({ size: 299 });
    expect(targets.mostAtOnce).toBe(8);
    expect(targets.asked.every(({ body, listing }) => !body && !listing)).toBe(true);
  });

  test('where no link is followed none is resolved', async () => {
    const targets = new FakeTargets({ '/pub/l': { size: 1 } });
    expect(
      linkedNames(await list([[link('l'), file('f')]], { links: false, storage: targets })),
    ).toEqual(['f']);
    expect(targets.asked).toEqual([]);
  });
});

const numbered = (count: number, from = 0): FolderEntry[] =>
  Array.from({ length: count }, (_, i) =>
    file(`n${String((i * 7919) % count).padStart(7, '0')}-${from}`),
  );

describe('long listings', () => {
  test('the head comes first, then everything sorted, in small pieces', async () => {
    const memory = new ListingMemory();
    const fake = new FakeFolder([numbered(5000, 1), numbered(5000, 2), numbered(5000, 3)]);
    const listing = await prepare(fake.open, request(), memory);
    if (listing.kind !== 'stream') throw new Error(listing.kind);
    expect(fake.reads).toBe(1);
    const { text, error } = await drain(listing.source);
    expect(error).toBeNull();
    expect(text.slice(0, 15)).toBe('<!DOCTYPE html>');
    expect(text.slice(-8)).toBe('</html>\n');
    const got = linkedNames(text);
    expect(got).toEqual(
      [...numbered(5000, 1), ...numbered(5000, 2), ...numbered(5000, 3)]
        .map(({ name }) => name)
        .sort(),
    );
    expect(text).toContain('<p>15,000 files, 15 kB</p>\n<table>');
    expect([fake.released, memory.heldEntries]).toEqual([1, 0]);
  });

  test('too many are not sorted, and the page says so; none is lost', async () => {
    const batches = Array.from({ length: 13 }, (_, i) => numbered(9000, i));
    expect(batches.length * 9000).toBeGreaterThan(SORTED_ENTRIES);
    const page = await list(batches);
    expect(page).toContain('This folder is too large to be sorted.');
    expect(page).toMatch(/<\/table>\n<p>117,000 files, 117 kB<\/p>/);
    expect(page).not.toContain('href="?sort');
    const got = new Set(linkedNames(page));
    expect(got.size).toBe(117_000);
  });

  test('a full memory sorts no more', async () => {
    const memory = new ListingMemory();
    memory.heldEntries = 1e9;
    const fake = new FakeFolder([numbered(3000, 1), numbered(3000, 2)]);
    const listing = await prepare(fake.open, request(), memory);
    if (listing.kind !== 'stream') throw new Error(listing.kind);
    expect(linkedNames((await drain(listing.source)).text)).toHaveLength(6000);
    expect(memory.heldEntries).toBe(1e9);
  });

  test('a slow folder has its head sent before it is known', async () => {
    const fake = new FakeFolder([[file('a')], [file('b')], [file('c')]], 200);
    const listing = await prepare(fake.open, request());
    if (listing.kind !== 'stream') throw new Error(listing.kind);
    expect(fake.reads).toBe(2);
    expect(linkedNames((await drain(listing.source)).text)).toEqual(['a', 'b', 'c']);
  });

  test('short batches make one whole body', async () => {
    const fake = new FakeFolder([[file('a')], [], [file('b')]]);
    const listing = await prepare(fake.open, request());
    expect(listing.kind).toBe('whole');
  });
});

describe('failures and ends', () => {
  test('of the first batch', async () => {
    const fake = new FakeFolder(['down']);
    expect(await prepare(fake.open, request())).toMatchObject({
      kind: 'failed',
      error: { code: 'down' },
    });
    expect(fake.released).toBe(1);
  });

  test('amid a long one, and of a link', async () => {
    const memory = new ListingMemory();
    const fake = new FakeFolder([numbered(3000), 'timeout']);
    const listing = await prepare(fake.open, request(), memory);
    if (listing.kind !== 'stream') throw new Error(listing.kind);
    expect((await drain(listing.source)).error).toBe('timeout');
    expect([fake.released, memory.heldEntries]).toEqual([1, 0]);
    const storage = new FakeTargets({ '/pub/a': 'down', '/pub/b': { size: 1 } });
    const linked = new FakeFolder([[link('a'), link('b')]]);
    expect(await prepare(linked.open, request({ storage }))).toMatchObject({ kind: 'failed' });
    expect([linked.released, storage.atOnce]).toEqual([1, 0]);
  });

  test('the client goes away before anything, and at every piece', async () => {
    const early = new FakeFolder([[file('a')]]);
    prepareListing(early.open, request(), new ListingMemory(), () => {
      throw new Error('called after the client has gone');
    })();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(early.released).toBe(1);
    for (let pieces = 0; pieces < 12; pieces++) {
      const memory = new ListingMemory();
      const fake = new FakeFolder([numbered(1500, 1), numbered(1500, 2)]);
      const listing = await prepare(fake.open, request(), memory);
      if (listing.kind !== 'stream') throw new Error(listing.kind);
      const { source } = listing;
      for (let i = 0; i < pieces; i++) await new Promise((resolve) => source.pull(resolve));
      source.pull(() => {
        throw new Error('called after cancel');
      });
      source.cancel();
      source.cancel();
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect([fake.released, memory.heldEntries]).toEqual([1, 0]);
    }
  });
});
