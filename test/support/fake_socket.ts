/** A socket and a file for the sender's tests: both take and give as they like, and watch how they are used. */

import type { HttpResponse } from 'uWebSockets.js';
import { expect } from '@jest/globals';
import type { Chunk, OpenFile, ReadResult } from '../../src/storage/storage.js';

/** Behaves as uWebSockets.js does for tryEnd: takes a part, counts, and takes an empty chunk for the end. */
export class Socket {
  readonly taken: Buffer[] = [];
  offset = 0;
  done = false;
  head = '';
  closed = false;
  writable: ((offset: number) => boolean) | null = null;

  constructor(private readonly room: () => number) {}

  readonly response = {
    cork: (body: () => void) => body(),
    writeStatus: (head: string) => {
      if (this.head !== '' || this.taken.length > 0)
        throw new Error('the head comes first and once');
      this.head = head;
    },
    onWritable: (handler: (offset: number) => boolean) => {
      this.writable = handler;
    },
    getWriteOffset: () => this.offset,
    close: () => {
      this.closed = true;
    },
    tryEnd: (chunk: Uint8Array, total: number): [boolean, boolean] => {
      if (this.done || this.closed) throw new Error('written to after the end');
      if (chunk.length === 0) throw new Error('an empty chunk ends the answer');
      const taken = Math.min(chunk.length, this.room());
      this.taken.push(Buffer.from(chunk.subarray(0, taken)));
      this.offset += taken;
      this.done = this.offset === total;
      return [taken === chunk.length, this.done];
    },
  } as unknown as HttpResponse;
}

/** A file whose reads complete in any order; counts what is lent out. */
export class File {
  lent = 0;
  released = 0;
  readonly pending: (() => void)[] = [];

  constructor(
    readonly content: Buffer,
    private readonly failAt: number,
  ) {}

  chunk(offset: number, length: number): Chunk {
    this.lent += 1;
    let out = false;
    // A copy, wiped on release: whoever used it later would send zeros.
    const bytes = Buffer.from(this.content.subarray(offset, offset + length));
    return {
      bytes,
      release: () => {
        expect(out).toBe(false);
        out = true;
        this.lent -= 1;
        bytes.fill(0);
      },
    };
  }

  readonly open: OpenFile = {
    read: (offset, length, done: (result: ReadResult) => void) => {
      expect(offset + length).toBeLessThanOrEqual(this.content.length);
      this.pending.push(() => {
        if (offset + length > this.failAt) done({ ok: false, code: 'changed', errno: 0 });
        else done({ ok: true, chunk: this.chunk(offset, length) });
      });
    },
    release: () => {
      this.released += 1;
    },
  };
}
