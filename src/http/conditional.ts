/** Preconditions, RFC 9110 §13. Pure. */
import { parseHttpDate } from './dates.js';

/** What a request says about the version it wants, as sent; '' for a header that is not there. */
export interface Conditions {
  readonly ifMatch: string;
  readonly ifNoneMatch: string;
  readonly ifModifiedSince: string;
  readonly ifUnmodifiedSince: string;
  readonly range: string;
  readonly ifRange: string;
}

/** Of a request that says nothing of the kind. */
export const UNCONDITIONAL: Conditions = {
  ifMatch: '',
  ifNoneMatch: '',
  ifModifiedSince: '',
  ifUnmodifiedSince: '',
  range: '',
  ifRange: '',
};

/** A version's validators. The entity tag is a strong one, with its quotes. */
export interface Validators {
  readonly etag: string;
  /** Whole seconds, as Last-Modified says. */
  readonly lastModified: number;
}

export type Precondition = 'proceed' | 'not-modified' | 'failed';

/** Whether any of them can keep the answer from having a body. */
export function hasPreconditions(conditions: Conditions): boolean {
  return (
    conditions.ifNoneMatch !== '' ||
    conditions.ifModifiedSince !== '' ||
    conditions.ifMatch !== '' ||
    conditions.ifUnmodifiedSince !== ''
  );
}

/** RFC 9110 §13.2.2, steps 1 to 4, for GET and HEAD of something that exists. A date that can't be read is absent. */
export function evaluatePreconditions(
  conditions: Conditions,
  { etag, lastModified }: Validators,
  nowMs: number,
): Precondition {
  const { ifMatch, ifUnmodifiedSince, ifNoneMatch, ifModifiedSince } = conditions;
  if (ifMatch !== '') {
    if (!listMatches(ifMatch, etag, 'strong')) return 'failed';
  } else if (ifUnmodifiedSince !== '') {
    const date = parseHttpDate(ifUnmodifiedSince, nowMs);
    if (date !== null && lastModified > date) return 'failed';
  }
  if (ifNoneMatch !== '') {
    if (listMatches(ifNoneMatch, etag, 'weak')) return 'not-modified';
  } else if (ifModifiedSince !== '') {
    const date = parseHttpDate(ifModifiedSince, nowMs);
    if (date !== null && lastModified <= date) return 'not-modified';
  }
  return 'proceed';
}

/**
 * Step 5: whether Range counts, as far as If-Range (RFC 9110 §13.1.5) goes. A date has to be exactly Last-Modified, and
 * that a strong validator: a second in which the file was last changed that is over (§8.8.2.2).
 */
export function rangeCounts(
  ifRange: string,
  { etag, lastModified }: Validators,
  nowMs: number,
): boolean {
  if (ifRange === '') return true;
  if (ifRange.includes('"')) return ifRange === etag;
  const date = parseHttpDate(ifRange, nowMs);
  return date !== null && date === lastModified && lastModified * 1000 + 1000 <= nowMs;
}

/** RFC 9110 §8.8.3: entity-tag, and what stands between two in a list. Sticky, so that a list is read in one pass. */
const LIST_ITEM = /[ \t]*(?:(W\/)?("[\x21\x23-\x7e\x80-\uffff]*")[ \t]*)?(?:,|$)/y;

/**
 * Is `etag` in a list of entity tags, or is that `*`? Strong comparison ignores weak tags (§8.8.3.2). What is no list of
 * entity tags matches nothing.
 */
function listMatches(list: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (list.trim() === '*') return true;
  let found = false;
  LIST_ITEM.lastIndex = 0;
  while (LIST_ITEM.lastIndex < list.length) {
    const match = LIST_ITEM.exec(list);
    if (match === null) return false;
    const [, weak, tag] = match;
    if (tag === etag && (comparison === 'weak' || weak === undefined)) found = true;
  }
  return found;
}
