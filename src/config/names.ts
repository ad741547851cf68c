import { didYouMean } from './suggest.js';
import type { AccessLog, Capability, XlatorOption } from './types.js';
import { bad, good, matching, type Parsed, quote, type ValueType } from './values.js';

/** What GlusterFS keeps at a volume's root for itself. Never served. */
export const RESERVED_NAMES: readonly string[] = [
  '.glusterfs',
  '.meta',
  '.trashcan',
  '.shard',
  '.snaps',
  '.landfill',
];

/** RFC 9110 §5.6.2. */
export const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";

export const LONGEST_NAME = 255;
export const LONGEST_PATH = 4096;

function normalised(text: string): Parsed<string> {
  if (!text.startsWith('/')) return bad(`${quote(text)} does not begin with /`);
  if (text === '/') return good(text);
  if (text.endsWith('/')) return bad(`${quote(text)} ends with a slash`);
  if (Buffer.byteLength(text) > LONGEST_PATH) {
    return bad(`the path is longer than ${LONGEST_PATH} bytes`);
  }
  for (const segment of text.slice(1).split('/')) {
    if (segment === '') return bad(`${quote(text)} has two slashes in a row`);
    if (segment === '.' || segment === '..') return bad(`${quote(text)} has a . or .. segment`);
    if (Buffer.byteLength(segment) > LONGEST_NAME) {
      return bad(`${quote(segment)} is longer than ${LONGEST_NAME} bytes`);
    }
  }
  return good(text);
}

/** Where a mount stands. Requests' paths are compared decoded, so an escape in it would never match what it seems to. */
export const urlPath: ValueType<string> = {
  words: 'path such as `/` or `/downloads`',
  parse: (text) => {
    if (/%[0-9A-Fa-f]{2}/.test(text)) {
      return bad(`${quote(text)} has a percent-escape: write the character itself`);
    }
    return normalised(text);
  },
};

/** A directory in a volume. */
export const volumePath: ValueType<string> = {
  words: 'path inside the volume, such as `/` or `/htdocs`',
  parse: (text) => {
    const first = text.split('/')[1] ?? '';
    return RESERVED_NAMES.includes(first)
      ? bad(`${quote(text)} is in /${first}, which GlusterFS keeps for itself`)
      : normalised(text);
  },
};

/** On this machine. Absolute, as a daemon's working directory is nothing to rely on. */
export const localPath: ValueType<string> = {
  words: 'absolute path',
  parse: (text) => {
    if (!text.startsWith('/')) return bad(`${quote(text)} is not an absolute path`);
    return text.endsWith('/') ? bad(`${quote(text)} is a directory, not a file`) : good(text);
  },
};

export const accessLog: ValueType<AccessLog> = {
  words: '`stdout`, `off` or an absolute path',
  parse: (text) => {
    if (text === 'stdout' || text === 'off') return good({ kind: text });
    const path = localPath.parse(text);
    return path.ok
      ? good({ kind: 'file', path: path.value })
      : bad(`${quote(text)} is not stdout, off or the absolute path of a file`);
  },
};

/** What the `gluster` command accepts as a volume's name. */
export const volumeName: ValueType<string> = matching(
  'letters, digits, `-` and `_`',
  /^[A-Za-z0-9_-]{1,255}$/,
  'a name that a GlusterFS volume can have: letters, digits, - and _',
);

export const account: ValueType<string> = matching(
  'name or number',
  /^(?:[0-9]{1,10}|[A-Za-z_][A-Za-z0-9_.-]*\$?)$/,
  'the name or number of an account',
);

/** A leading dot is refused: hidden and reserved names are no index, whatever `hidden` says. */
export const indexName: ValueType<string> = {
  words: 'file name',
  parse: (text) => {
    if (text.includes('/')) return bad(`${quote(text)} is a path, not a file name`);
    if (text.startsWith('.')) return bad(`${quote(text)} begins with a dot`);
    return Buffer.byteLength(text) > LONGEST_NAME
      ? bad(`${quote(text)} is longer than ${LONGEST_NAME} bytes`)
      : good(text);
  },
};

export const charsetName: ValueType<string> = matching(
  'name of a character set, such as `utf-8`',
  new RegExp(`^${TOKEN}$`),
  'the name of a character set, such as utf-8',
);

/** `*-client-*.frame-timeout=600`: the xlators' names can have dots, the option's can't. */
export const xlatorOption: ValueType<XlatorOption> = {
  words: '`xlator.option=value`',
  parse: (text) => {
    const [, xlator, key, value] = /^([^=\s]+)\.([^.=\s]+)=(\S.*)$/s.exec(text) ?? [];
    return xlator === undefined || key === undefined || value === undefined
      ? bad(`${quote(text)} is not xlator.option=value, such as *-client-*.frame-timeout=600`)
      : good({ xlator, key, value });
  },
};

const CAPABILITIES: readonly Capability[] = ['net_bind_service'];

export const capability: ValueType<Capability> = {
  words: CAPABILITIES.map((name) => `\`${name}\``).join(', '),
  parse: (text) => {
    const found = CAPABILITIES.find((name) => name === text);
    if (found !== undefined) return good(found);
    const known = CAPABILITIES.join(', ');
    return bad(`${quote(text)} is not one of ${known}${didYouMean(text, CAPABILITIES)}`);
  },
};
