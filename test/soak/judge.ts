/** Is an answer one that may be given? Pure. */
import { sha256 } from '../support/client.js';
import { strangeLines, versionsIn } from './content.js';
import type { SoakFile, State } from './ledger.js';
import type { Outcome } from './windows.js';

export interface Given {
  readonly outcome: Outcome;
  readonly body: Buffer;
  /** Of the content, where the body begins. */
  readonly from: number;
  /** Only a part was asked for. */
  readonly partial: boolean;
  readonly start: number;
  readonly end: number;
}

export type Judgement =
  | { readonly kind: 'right'; readonly staleMs: number }
  /** Bytes of several versions of a file that was being written in place: see ADR 5. */
  | { readonly kind: 'mixed' }
  /** Right only where a fault allows it. */
  | { readonly kind: 'unless'; readonly why: string }
  | { readonly kind: 'wrong'; readonly why: string };

/** How long GlusterFS' caches on a client may keep what is no longer so: a second each, by default. */
const STALE_MS = 5_000;

const inPlace = (file: SoakFile): boolean =>
  file.kind === 'overwritten' || file.kind === 'rewritten' || file.kind === 'truncated';

export function judge(file: SoakFile, given: Given): Judgement {
  const { outcome, start, end } = given;
  const possible = file.during(start - STALE_MS, end);
  switch (outcome) {
    case '200':
      return judgeBody(file, given, possible);
    case '206':
      return judgePart(file, given, possible);
    case '416':
      return possible.some(({ content }) => content !== null && content.size <= given.from)
        ? { kind: 'right', staleMs: 0 }
        : { kind: 'unless', why: 'no version is so short' };
    case '404':
      return possible.some(({ content }) => content === null)
        ? { kind: 'right', staleMs: 0 }
        : { kind: 'unless', why: 'the file was there all the time' };
    case 'cut':
      if (versionsIn(file.name, given.body, given.from) === null) {
        return { kind: 'wrong', why: `${never(file, given)}, before it was cut off` };
      }
      // A file that changes while it is sent ends the connection.
      return file.during(start, end).length > 1
        ? { kind: 'right', staleMs: 0 }
        : { kind: 'unless', why: 'cut off' };
    default:
      return { kind: 'unless', why: `answered ${outcome}` };
  }
}

/** Whether it is what the volume gives to who reads `there`; null: there is no such file. */
export function isSame({ outcome, body, from }: Given, there: Buffer | null): boolean {
  if (there === null) return outcome === '404';
  switch (outcome) {
    case '200':
      return body.equals(there);
    case '206':
      return body.equals(there.subarray(from, from + body.length));
    case '416':
      return there.length <= from;
    default:
      return false;
  }
}

function judgeBody(file: SoakFile, given: Given, possible: readonly State[]): Judgement {
  const hash = sha256(given.body);
  const found = possible.find(({ content }) => content?.sha256 === hash);
  if (found !== undefined) return { kind: 'right', staleMs: staleness(found, given.start) };
  if (file.states.some(({ content }) => content?.sha256 === hash)) {
    return { kind: 'wrong', why: 'a version that was replaced long ago' };
  }
  const versions = versionsIn(file.name, given.body, given.from);
  if (versions === null) return { kind: 'wrong', why: never(file, given) };
  const text = `${given.body.length} bytes of version ${[...versions].join(' and ')}`;
  if (!inPlace(file)) return { kind: 'wrong', why: text };
  return possible.length > 1 ? { kind: 'mixed' } : { kind: 'wrong', why: text };
}

function judgePart(file: SoakFile, given: Given, possible: readonly State[]): Judgement {
  const versions = versionsIn(file.name, given.body, given.from);
  if (versions === null) return { kind: 'wrong', why: never(file, given) };
  if (versions.size > 1) {
    return inPlace(file) ? { kind: 'mixed' } : { kind: 'wrong', why: 'a part of two versions' };
  }
  const [version] = versions;
  // So few bytes that they don't say which.
  if (version === undefined) return { kind: 'right', staleMs: 0 };
  const found = possible.find(({ content }) => content?.version === version);
  if (found === undefined) return { kind: 'wrong', why: `version ${version}, replaced long ago` };
  return { kind: 'right', staleMs: staleness(found, given.start) };
}

const never = (file: SoakFile, { body, from }: Given): string =>
  `bytes that the file never had: ${strangeLines(file.name, body, from)}`;

const staleness = ({ until }: State, start: number): number =>
  until === null ? 0 : Math.max(0, start - until);
