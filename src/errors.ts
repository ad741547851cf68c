/**
 * The error catalogue. Every expected failure is one of these codes, wherever it turns up: in an answer, in the log, in
 * a metric. Code matches on the code, never on a message. docs/errors.md says what each means and what to do.
 */

/** Failures that a request can meet. */
export type RequestErrorCode =
  | 'GFS_NOT_FOUND'
  | 'GFS_NO_MOUNT'
  | 'GFS_FORBIDDEN'
  | 'GFS_BAD_PATH'
  | 'GFS_URI_TOO_LONG'
  | 'GFS_METHOD_NOT_ALLOWED'
  | 'GFS_PRECONDITION_FAILED'
  | 'GFS_RANGE_NOT_SATISFIABLE'
  | 'GFS_REWRITE_LOOP'
  | 'GFS_VOLUME_CONNECTING'
  | 'GFS_VOLUME_DOWN'
  | 'GFS_BUSY'
  | 'GFS_TIMEOUT'
  | 'GFS_IO'
  | 'GFS_CHANGED'
  | 'GFS_INTERNAL';

/** Failures that keep gfserve from starting. No request ever sees one. */
export type StartErrorCode = 'GFS_CONFIG' | 'GFS_LISTEN' | 'GFS_ADDON';

export type ErrorCode = RequestErrorCode | StartErrorCode;

export interface ErrorInfo {
  /**
   * The one HTTP status of this failure, 400 to 599. GFS_CHANGED has it for the case that nothing was sent yet;
   * afterwards the connection ends. Start-up failures have 500 for the sake of a whole table.
   */
  readonly status: number;
  /** One line for people, without a full stop. Names no path, volume or brick: it may go to a client. */
  readonly summary: string;
  /** The answer's Retry-After, in whole seconds; null: it carries none. Every 503 and 504 has one. */
  readonly retryAfterSeconds: number | null;
}

const entry = (status: number, summary: string, retryAfterSeconds: number | null = null) =>
  Object.freeze({ status, summary, retryAfterSeconds });

/** Every code once. Frozen. */
export const catalogue: Readonly<Record<ErrorCode, ErrorInfo>> = Object.freeze({
  GFS_NOT_FOUND: entry(404, 'There is no such file'),
  GFS_NO_MOUNT: entry(404, 'Nothing is served under this host and path'),
  GFS_FORBIDDEN: entry(403, 'This may not be read'),
  GFS_BAD_PATH: entry(400, 'The path cannot be understood'),
  GFS_URI_TOO_LONG: entry(414, 'The path is too long'),
  GFS_METHOD_NOT_ALLOWED: entry(405, 'Only GET, HEAD and OPTIONS are answered'),
  GFS_PRECONDITION_FAILED: entry(412, 'The file is not the version that was asked for'),
  GFS_RANGE_NOT_SATISFIABLE: entry(416, 'The file has no such range'),
  GFS_REWRITE_LOOP: entry(500, 'The rewrite rules lead nowhere'),
  GFS_VOLUME_CONNECTING: entry(503, 'The storage is being connected', 2),
  GFS_VOLUME_DOWN: entry(503, 'The storage cannot be reached', 5),
  GFS_BUSY: entry(503, 'Too much is under way', 1),
  GFS_TIMEOUT: entry(504, 'The storage did not answer in time', 5),
  GFS_IO: entry(503, 'The storage could not read this', 5),
  GFS_CHANGED: entry(503, 'The file changed while it was being sent', 1),
  GFS_INTERNAL: entry(500, 'Something went wrong inside the server'),
  GFS_CONFIG: entry(500, 'The configuration cannot be used'),
  GFS_LISTEN: entry(500, 'An address cannot be listened on'),
  GFS_ADDON: entry(500, 'The native addon cannot be loaded'),
});

/** Narrows text from elsewhere, such as another process or the addon, to a code of the catalogue. */
export function isErrorCode(text: unknown): text is ErrorCode {
  return typeof text === 'string' && Object.hasOwn(catalogue, text);
}
