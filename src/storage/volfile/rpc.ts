/** ONC RPC version 2 (RFC 5531) over a stream: records, calls, replies. Pure: bytes in, values out. */
import { XdrReader, XdrWriter } from './xdr.js';

const CALL = 0;
const REPLY = 1;
const ACCEPTED = 0;
const RPC_VERSION = 2;
const LAST_FRAGMENT = 0x80000000;

/** Bytes. A volume file has some 150 lines, and 10 more for each brick: thousands of bricks fit. */
export const MAX_RECORD = 16 << 20;

/** One procedure of a program. */
export interface Procedure {
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
}

/** What tells the server who asks. */
export interface Credentials {
  readonly flavor: number;
  readonly body: Buffer;
}

/** Why a server did not take a call whose caller it does not trust: to GlusterFS, one with a port from 1024. */
export const DENIED = 'it denied the call';

const ACCEPT_STATES = [
  '',
  'it does not have the program',
  'it does not have that version of the program',
  'it does not have the procedure',
  'it could not read the call',
  'it had a system error',
];

export type Message =
  | { readonly kind: 'call'; readonly procedure: Procedure }
  | { readonly kind: 'reply'; readonly xid: number; readonly results: Buffer }
  | { readonly kind: 'refusal'; readonly xid: number; readonly reason: string }
  | { readonly kind: 'malformed'; readonly reason: string };

/** A call in one record of one fragment. `args`: XDR. */
export function callRecord(
  xid: number,
  { program, version, procedure }: Procedure,
  credentials: Credentials,
  args: Buffer,
): Buffer {
  const message = new XdrWriter()
    .words(xid, CALL, RPC_VERSION, program, version, procedure, credentials.flavor)
    .opaque(credentials.body)
    .words(0, 0) // no verifier
    .bytes();
  const header = new XdrWriter().words(LAST_FRAGMENT | (message.length + args.length)).bytes();
  return Buffer.concat([header, message, args]);
}

export function parseMessage(record: Buffer): Message {
  const reader = new XdrReader(record);
  const xid = reader.word();
  const direction = reader.word();
  const message =
    direction === CALL
      ? parseCall(reader)
      : direction === REPLY
        ? parseReply(reader, xid)
        : malformed(`a message that is neither call nor reply (${direction})`);
  return reader.ok ? message : malformed(`a message that ends after ${record.length} bytes`);
}

const malformed = (reason: string): Message => ({ kind: 'malformed', reason });

function parseCall(reader: XdrReader): Message {
  const version = reader.word();
  const procedure = {
    program: reader.word(),
    version: reader.word(),
    procedure: reader.word(),
  };
  return version === RPC_VERSION
    ? { kind: 'call', procedure }
    : malformed(`a call of RPC version ${version}`);
}

function parseReply(reader: XdrReader, xid: number): Message {
  if (reader.word() !== ACCEPTED) return { kind: 'refusal', xid, reason: DENIED };
  reader.word(); // the verifier's flavor
  reader.opaque();
  const state = reader.word();
  if (state === 0) return { kind: 'reply', xid, results: reader.rest() };
  return { kind: 'refusal', xid, reason: ACCEPT_STATES[state] ?? `it said ${state}` };
}

export type Records =
  | { readonly ok: true; readonly records: readonly Buffer[] }
  | { readonly ok: false; readonly reason: string };

/** Puts records together (RFC 5531 §11) from what a socket gives, in whatever pieces. After an error it is of no more use. */
export class RecordReader {
  #pieces: Buffer[] = [];
  #buffered = 0;
  /** Fragments of the record that has begun. */
  #fragments: Buffer[] = [];
  #recorded = 0;

  constructor(private readonly limit = MAX_RECORD) {}

  push(piece: Buffer): Records {
    this.#pieces.push(piece);
    this.#buffered += piece.length;
    const records: Buffer[] = [];
    for (;;) {
      const header = this.#peekWord();
      if (header === null) return { ok: true, records };
      const length = header & ~LAST_FRAGMENT;
      if (this.#recorded + length > this.limit) {
        return { ok: false, reason: `a record of more than ${this.limit} bytes` };
      }
      if (this.#buffered < 4 + length) return { ok: true, records };
      const fragment = this.#take(4 + length).subarray(4);
      if (length > 0) this.#fragments.push(fragment);
      this.#recorded += length;
      if (header >>> 31 === 0) continue;
      records.push(Buffer.concat(this.#fragments));
      this.#fragments = [];
      this.#recorded = 0;
    }
  }

  #peekWord(): number | null {
    if (this.#buffered < 4) return null;
    if ((this.#pieces[0]?.length ?? 0) < 4) this.#pieces = [this.#joined()];
    return this.#pieces[0]?.readUInt32BE(0) ?? null;
  }

  /** There are so many. */
  #take(length: number): Buffer {
    const all = this.#joined();
    this.#pieces = [all.subarray(length)];
    this.#buffered -= length;
    return all.subarray(0, length);
  }

  #joined(): Buffer {
    const [first, ...others] = this.#pieces;
    return first !== undefined && others.length === 0 ? first : Buffer.concat(this.#pieces);
  }
}
