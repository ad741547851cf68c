/** Which requests a scenario consists of, and what is to come back. */
import type { DataFile, FilePart } from '../dataset/parts.js';

/** A request as a scenario plans it, for any peer. */
export type PlannedRequest = {
  /** How often it is made, beside the others of its plan. */
  readonly weight: number;
} & (
  | { readonly kind: 'whole'; readonly file: DataFile }
  | { readonly kind: 'part'; readonly file: DataFile; readonly part: FilePart }
  /** With the ETag that the peer itself has given to the file. */
  | { readonly kind: 'unchanged'; readonly file: DataFile }
  | { readonly kind: 'absent'; readonly path: string }
);

export interface Plan {
  /** What its files are called. */
  readonly name: string;
  readonly requests: readonly PlannedRequest[];
}

/** What a plan for downloads consists of. @throws Error when there is no such request */
export function firstFile({ name, requests }: Plan): DataFile {
  const [first] = requests;
  if (first?.kind !== 'whole') throw new Error(`${name} does not begin with a whole file`);
  return first.file;
}

/** A request as it is sent to a certain peer. */
export interface ReadyRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly weight: number;
  readonly status: 200 | 206 | 304 | 404;
  /** Bytes of the body; of one with status 404, whose text is the server's own, at least. */
  readonly size: number;
  /** Of the body; null: it is not compared. */
  readonly sha256: string | null;
}

/** @param etag the peer's ETag of the file; null: it gives none, and so answers with the whole file */
export function readyRequest(request: PlannedRequest, etag: string | null): ReadyRequest {
  const { weight } = request;
  switch (request.kind) {
    case 'whole': {
      const { path, size, sha256 } = request.file;
      return { path, headers: {}, weight, status: 200, size, sha256 };
    }
    case 'part': {
      const { from, size, sha256 } = request.part;
      const headers = { Range: `bytes=${from}-${from + size - 1}` };
      return { path: request.file.path, headers, weight, status: 206, size, sha256 };
    }
    case 'unchanged': {
      const { path, size, sha256 } = request.file;
      if (etag === null) return { path, headers: {}, weight, status: 200, size, sha256 };
      const headers = { 'If-None-Match': etag };
      return { path, headers, weight, status: 304, size: 0, sha256: null };
    }
    case 'absent':
      return { path: request.path, headers: {}, weight, status: 404, size: 0, sha256: null };
    default: {
      const impossible: never = request;
      throw new Error(`unknown request ${String(impossible)}`);
    }
  }
}

/** A line a request, for plan.lua: weight, status, size, path, headers, with tabs between. */
export function planText(requests: readonly ReadyRequest[]): string {
  return requests
    .map(({ weight, status, size, path, headers }) => {
      const extra = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
      return `${[weight, status, size, path, ...extra].join('\t')}\n`;
    })
    .join('');
}
