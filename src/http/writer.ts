/** Puts a reply onto the socket. What it was handed is released, whatever happens to the client. */
import type { HttpResponse } from 'uWebSockets.js';
import type { Reply } from './reply.js';
import { streamBody } from './stream.js';
import { Transfer, type Transfers } from './transfer.js';

/**
 * A body up to this many bytes goes out in one call: it fits into any socket buffer, and uWebSockets.js would copy what
 * does not.
 */
const ONE_CALL = 16 * 1024;

/** `complete`: every announced byte went to the kernel or into uWebSockets.js' buffer. */
export type Sent = (bodyBytes: number, complete: boolean) => void;

/**
 * Sends `reply`; `sent` is called once. Returns what to do when the client goes away meanwhile, or null when nothing is
 * left to do. Must not be called after an abort. `close` ends the connection after the answer.
 */
export function send(
  res: HttpResponse,
  reply: Reply,
  close: boolean,
  transfers: Transfers,
  sent: Sent,
): (() => void) | null {
  switch (reply.kind) {
    case 'empty':
      res.cork(() => {
        // uWebSockets.js 20 aborts the process when endWithoutBody is given an argument.
        res.writeStatus(close ? `${reply.head}\r\nConnection: close` : reply.head);
        res.endWithoutBody();
      });
      sent(0, true);
      return null;
    case 'text':
      res.cork(() => {
        res.writeStatus(reply.head);
        res.end(reply.body, close);
      });
      sent(reply.body.length, true);
      return null;
    case 'file':
      return sendFile(res, reply, close, transfers, sent);
    case 'stream':
      return streamBody(res, reply.head, close, reply.source, transfers, sent);
    default: {
      const impossible: never = reply;
      throw new Error(`unknown reply ${String(impossible)}`);
    }
  }
}

function sendFile(
  res: HttpResponse,
  { head, body }: Extract<Reply, { kind: 'file' }>,
  close: boolean,
  transfers: Transfers,
  sent: Sent,
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
      sent(body.length, true);
      return null;
    }
  }
  const transfer = new Transfer(res, body, transfers, sent);
  res.cork(() => {
    res.writeStatus(close ? `${head}\r\nConnection: close` : head);
    transfer.start();
  });
  return () => transfer.abort();
}
