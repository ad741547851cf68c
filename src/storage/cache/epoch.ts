/** Whether anything has happened in a cache since somebody looked: to those who have copied out of it what they may give again. */
export class Epoch {
  /** One number, which native code reads too. It is exact up to 2^53. */
  readonly cell = new Float64Array(1);

  get now(): number {
    return this.cell[0] ?? 0;
  }

  /** Something is another thing, is elsewhere in memory, or has gone. */
  next(): void {
    this.cell[0] = this.now + 1;
  }
}
