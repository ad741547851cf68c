/** XDR (RFC 4506), as far as asking glusterd takes it: 32-bit words and opaque bytes, everything padded to four. */

const padding = (length: number): number => -length & 3;

export class XdrWriter {
  readonly #parts: Buffer[] = [];

  /** Each is taken modulo 2^32, so negative ones are as in two's complement. */
  words(...values: readonly number[]): this {
    const bytes = Buffer.alloc(values.length * 4);
    for (const [index, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, index * 4);
    this.#parts.push(bytes);
    return this;
  }

  /** Also a string: to XDR both are the same. */
  opaque(bytes: Uint8Array): this {
    this.words(bytes.length);
    this.#parts.push(Buffer.from(bytes), Buffer.alloc(padding(bytes.length)));
    return this;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** Reads what a peer sent. Past the end all is zero and empty, and `ok` is false from then on: to be looked at once, last. */
export class XdrReader {
  #at = 0;
  #ok = true;

  constructor(private readonly bytes: Buffer) {}

  get ok(): boolean {
    return this.#ok;
  }

  word(): number {
    const at = this.#advance(4);
    return at < 0 ? 0 : this.bytes.readUInt32BE(at);
  }

  signed(): number {
    return this.word() | 0;
  }

  /** A view, not a copy. */
  opaque(): Buffer {
    const length = this.word();
    const at = this.#advance(length + padding(length));
    return at < 0 ? Buffer.alloc(0) : this.bytes.subarray(at, at + length);
  }

  rest(): Buffer {
    return this.bytes.subarray(this.#at);
  }

  /** -1: there is not so much. */
  #advance(length: number): number {
    const at = this.#at;
    if (!this.#ok || length > this.bytes.length - at) {
      this.#ok = false;
      return -1;
    }
    this.#at = at + length;
    return at;
  }
}
