/** Puts a reply onto the socket. What it was handed is released, whatever happens to the client. */
import type { HttpResponse } from 'uWebSockets.js';
import type { FileBody } from './body.js';
import type { Reply } from './reply.js';
import { streamBody } from './stream.js';
import { type Outcome, Transfer, type Transfers } from './transfer.js';

/**
 * A head and a body of up to so many bytes together go out in one call. With what uWebSockets.js adds they have to fit into
 * the 16 KiB in which it gathers what is written in a cork: of a further write that does not, it loses the bytes when the
 * socket is too full for what was gathered before. `tryEnd`, which the rest is sent by, says what it has not written.
 */
export const ONE_CALL = 15 * 1024;

/** What an answer needs besides itself. */
export interface Sending {
  /** Ends the connection after the answer. */
  readonly close: boolean;
  /** How long the client has been waiting. */
  readonly waitedMs: number;
  readonly transfers: Transfers;
  readonly outcome: Outcome;
}

/**
 * Sends `reply`; the outcome is told once. Returns what to do when the client goes away meanwhile, or null when nothing is
 * left to do. Must not be called after an abort.
 */
export function send(res: HttpResponse, reply: Reply, sending: Sending): (() => void) | null {
  const { close, outcome } = sending;
  switch (reply.kind) {
    case 'empty':
      res.cork(() => {
        // uWebSockets.js 20 aborts the process when endWithoutBody is given an argument.
        res.writeStatus(close ? `${reply.head}\r\nConnection: close` : reply.head);
        res.endWithoutBody();
      });
      outcome.began();
      outcome.sent(0, true);
      return null;
    case 'text':
      if (reply.head.length + reply.body.length > ONE_CALL && reply.body !== '') {
        return sendFile(res, { ...reply, kind: 'file', body: bodyOf(reply.body) }, sending);
      }
      res.cork(() => {
        res.writeStatus(reply.head);
        res.end(reply.body, close);
      });
      outcome.began();
      outcome.sent(reply.body.length, true);
      return null;
    case 'file':
      return sendFile(res, reply, sending);
    case 'stream':
      return streamBody(res, reply.head, reply.source, sending);
    default: {
      const impossible: never = reply;
      throw new Error(`unknown reply ${String(impossible)}`);
    }
  }
}

function bodyOf(text: string): FileBody {
  const bytes = Buffer.from(text);
  const pieces = [{ kind: 'bytes', bytes }] as const;
  return { length: bytes.length, pieces, chunk: null, chunkOffset: 0, file: null };
}

function sendFile(
  res: HttpResponse,
  { head, body }: Extract<Reply, { kind: 'file' }>,
  { close, waitedMs, transfers, outcome }: Sending,
): (() => void) | null {
  const [first] = body.pieces;
  if (
    body.chunk &&
    head.length + body.length <= ONE_CALL &&
    body.pieces.length === 1 &&
    first?.kind === 'file'
  ) {
    const at = first.offset - body.chunkOffset;
    const { bytes } = body.chunk;
    if (at >= 0 && at + first.length <= bytes.length) {
      const whole = at === 0 && first.length === bytes.length;
      res.cork(() => {
        res.writeStatus(head);
        res.end(whole ? bytes : bytes.subarray(at, at + first.length), close);
      });
      body.chunk.release();
      body.file?.release();
      outcome.began();
      outcome.sent(body.length, true);
      return null;
    }
  }
  const fullHead = close ? `${head}\r\nConnection: close` : head;
  const transfer = new Transfer(res, fullHead, body, transfers, outcome);
  res.cork(() => transfer.start(waitedMs));
  return () => transfer.abort();
}
