/** Puts a reply onto the socket. What it was handed is released, whatever happens to the client. */
import type { HttpResponse } from 'uWebSockets.js';
import type { Reply } from './reply.js';
import { streamBody } from './stream.js';
import { type Outcome, Transfer, type Transfers } from './transfer.js';

/**
 * A body up to this many bytes goes out in one call: it fits into any socket buffer, and uWebSockets.js would copy what
 * does not.
 */
const ONE_CALL = 16 * 1024;

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
      outcome.sent(0, true);
      return null;
    case 'text':
      res.cork(() => {
        res.writeStatus(reply.head);
        res.end(reply.body, close);
      });
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

function sendFile(
  res: HttpResponse,
  { head, body }: Extract<Reply, { kind: 'file' }>,
  { close, waitedMs, transfers, outcome }: Sending,
): (() => void) | null {
  const [first] = body.pieces;
  if (body.chunk && body.length <= ONE_CALL && body.pieces.length === 1 && first?.kind === 'file') {
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
      outcome.sent(body.length, true);
      return null;
    }
  }
  const fullHead = close ? `${head}\r\nConnection: close` : head;
  const transfer = new Transfer(res, fullHead, body, transfers, outcome);
  res.cork(() => transfer.start(waitedMs));
  return () => transfer.abort();
}
