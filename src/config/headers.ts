import { TOKEN } from './names.js';
import { headerValueProblem } from './rules.js';
import type { HeaderRule } from './types.js';
import { bad, good, quote, type ValueType } from './values.js';

const NAME = new RegExp(`^${TOKEN}$`);

/** Where each answer has its own, and a fixed one would be wrong for most. */
const OURS = 'each answer has its own';
const FRAMING = 'it says where the answer ends';

/** Why a header can be neither set nor removed. Names in lower case. */
const REFUSED: Readonly<Record<string, string>> = {
  'content-length': FRAMING,
  'transfer-encoding': FRAMING,
  trailer: FRAMING,
  connection: 'it belongs to the connection',
  'keep-alive': 'it belongs to the connection',
  upgrade: 'it belongs to the connection',
  'content-range': OURS,
  'content-encoding': OURS,
  date: OURS,
  location: 'redirect[] sets it',
  allow: 'it follows from the methods that are answered',
  'content-type': 'type[] and charset set it',
  'cache-control': 'cache-control[] sets it, and leaves errors alone',
  uwebsockets: "it is the HTTP library's own",
};

/** Those that can only be removed. */
const ONLY_REMOVED: Readonly<Record<string, string>> = {
  etag: OURS,
  'last-modified': OURS,
};

/** `Name: value` sets, `Name:` removes. */
export const headerRule: ValueType<HeaderRule> = {
  words: '`Name: value`, or `Name:` to remove it',
  parse: (text) => {
    const [, name, value] = /^([^:]*):[ \t]*(.*)$/su.exec(text) ?? [];
    if (name === undefined || value === undefined) {
      return bad(
        `${quote(text)} is not a name, a colon and a value, such as X-Frame-Options: DENY`,
      );
    }
    if (!NAME.test(name)) return bad(`${quote(name)} is not the name of a header`);
    const key = name.toLowerCase();
    const reason = own(REFUSED, key) ?? (value === '' ? undefined : own(ONLY_REMOVED, key));
    if (reason !== undefined) {
      const what = own(ONLY_REMOVED, key) === undefined ? 'set or removed' : 'set';
      return bad(`${name} can't be ${what} here: ${reason}`);
    }
    if (key === 'vary' && value === '') {
      return bad(`${name} can't be removed: caches would serve one client's variant to all`);
    }
    const problem = headerValueProblem(value);
    return problem === null ? good({ name, value }) : bad(problem);
  },
};

const own = (table: Readonly<Record<string, string>>, key: string): string | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined;
