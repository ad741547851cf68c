/** A listing as a page that needs nothing else: no script, no other file. Pure. */
import type { FolderEntry } from '../storage/storage.js';
import { counted, escapeHtml, humanSize } from '../words.js';
import { FOLDER_ICON, kindOf } from './listing_icons.js';
import { DEFAULT_ORDER, type Order } from './listing_order.js';
import type { ListingFormat, Totals } from './listing_page.js';
import { STYLE } from './listing_style.js';
import { dateOf, hrefOf, visibleName } from './listing_text.js';

export interface PageOptions {
  /** The URL's path, decoded to bytes; ends with a slash. */
  readonly path: string;
  /** The mount's, without a trailing slash: what is above it is none of the listing's business. */
  readonly prefix: string;
  readonly order: Order;
}

const shown = (name: string): string => escapeHtml(visibleName(name));

/** Links are relative throughout: behind a proxy the site may have another path than here. */
export function htmlFormat({ path, prefix, order }: PageOptions): ListingFormat {
  let summaryIsDue = false;
  return {
    head: () => head(path, prefix, order),
    rowsBegin(totals) {
      summaryIsDue = totals === null;
      const isTop = path.length === prefix.length + 1;
      const up = isTop
        ? ''
        : '<tr><td><a class="up" href="../">Parent folder</a></td><td></td><td></td></tr>\n';
      return `${totals === null ? UNSORTED : summary(totals)}<table>
<thead><tr>${headings(totals === null ? null : order)}</tr></thead>
<tbody>
${up}`;
    },
    row,
    foot: (totals) => `</tbody>
</table>
${summaryIsDue ? summary(totals) : ''}</body>
</html>
`,
  };
}

function head(path: string, prefix: string, order: Order): string {
  // In another order it is the same content again, which search engines need not keep.
  const robots = order === DEFAULT_ORDER ? '' : '<meta name="robots" content="noindex">\n';
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
${robots}<title>Index of ${shown(path)}</title>
<link rel="icon" href="${FOLDER_ICON}">
<style>${STYLE}</style>
</head>
<body>
<h1>${breadcrumb(path, prefix)}</h1>
`;
}

/** The mount's own path is the first crumb. Each but the last leads to its folder. */
function breadcrumb(path: string, prefix: string): string {
  const below = path.slice(prefix.length + 1, -1);
  const crumbs = [prefix === '' ? '/' : prefix, ...(below === '' ? [] : below.split('/'))];
  const last = crumbs.length - 1;
  return crumbs
    .map((crumb, index) => {
      const name = `<bdi>${shown(crumb)}</bdi>`;
      const separator = index === 0 || (index === 1 && prefix === '') ? '' : '<i>/</i>';
      return index === last
        ? `${separator}${name}`
        : `${separator}<a href="${'../'.repeat(last - index)}">${name}</a>`;
    })
    .join('');
}

const UNSORTED = '<p>This folder is too large to be sorted.</p>\n';

function summary({ folders, files, bytes }: Totals): string {
  if (folders + files === 0) return '<p>This folder is empty.</p>\n';
  const parts = [
    ...(folders === 0 ? [] : [counted(folders, 'folder', 'folders')]),
    ...(files === 0 ? [] : [counted(files, 'file', 'files'), humanSize(bytes)]),
  ];
  return `<p>${parts.join(', ')}</p>\n`;
}

const COLUMNS = [
  { by: 'name', html: 'Name', firstDescending: false },
  { by: 'size', html: 'Size', firstDescending: true },
  { by: 'date', html: 'Modified<span> (UTC)</span>', firstDescending: true },
] as const;

/** Each heading sorts by its column; the sorted one turns the order round. null: nothing is sorted. */
function headings(order: Order | null): string {
  return COLUMNS.map(({ by, html, firstDescending }) => {
    if (order === null) return `<th scope="col">${html}</th>`;
    const isSorted = order.by === by;
    const aria = order.descending ? 'descending' : 'ascending';
    const next = (isSorted ? !order.descending : firstDescending) ? 'desc' : 'asc';
    return `<th scope="col"${isSorted ? ` aria-sort="${aria}"` : ''}><a rel="nofollow" href="?sort=${by}&amp;order=${next}">${html}</a></th>`;
  }).join('');
}

function row({ name, type, size, mtimeSeconds }: FolderEntry): string {
  const isFolder = type === 'directory';
  const kind = isFolder ? 'folder' : kindOf(name);
  const link = `<a${kind === '' ? '' : ` class="${kind}"`} href="${escapeHtml(hrefOf(name, isFolder))}"><bdi>${shown(name)}</bdi>${isFolder ? '/' : ''}</a>`;
  const sizeCell = isFolder
    ? '<td></td>'
    : `<td title="${counted(size, 'byte', 'bytes')}">${humanSize(size)}</td>`;
  const date = dateOf(mtimeSeconds).toISOString();
  const time = `<time datetime="${date.slice(0, 19)}Z">${date.slice(0, 10)} <span>${date.slice(11, 16)}</span></time>`;
  return `<tr><td>${link}</td>${sizeCell}<td>${time}</td></tr>\n`;
}
