/**
 * A listing as nginx writes it with `autoindex_format json`, byte for byte (ngx_http_autoindex_json). Pure.
 *
 * Where a name is not valid UTF-8, nginx' answer is no JSON. Here the name has U+FFFD in its place, and a member `href`
 * tells how to ask for it: a reference relative to the folder, percent-encoded.
 */
import type { FolderEntry } from '../storage/storage.js';
import type { ListingFormat } from './listing_page.js';
import { dateOf, decodeName, hrefOf, isUtf8 } from './listing_text.js';

const SHORT: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\b': '\\b',
  '\f': '\\f',
  '"': '\\"',
  '\\': '\\\\',
};

/** ngx_escape_json: U+007F and all above stay as they are. */
const escapeJson = (text: string): string =>
  text.replace(
    /[^ -\uffff]|["\\]/g,
    (char) =>
      SHORT[char] ?? `\\u00${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );

function row({ name, type, size, mtimeSeconds }: FolderEntry): string {
  const mtime = dateOf(mtimeSeconds).toUTCString();
  const sizePart = type === 'directory' ? '' : `, "size":${size}`;
  const hrefPart = isUtf8(name) ? '' : `, "href":"${hrefOf(name, type === 'directory')}"`;
  return `{ "name":"${escapeJson(decodeName(name))}", "type":"${type}", "mtime":"${mtime}"${sizePart}${hrefPart} }`;
}

/** One array. It has no place to say that it is not sorted. */
export function jsonFormat(): ListingFormat {
  let isFirst = true;
  return {
    head: () => '[',
    rowsBegin: () => '',
    row(entry) {
      const comma = isFirst ? '' : ',';
      isFirst = false;
      return `${comma}\r\n${row(entry)}`;
    },
    foot: () => '\r\n]',
  };
}
