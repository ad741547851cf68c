/** What an LRU of a size in bytes would hold. */

export class LruModel {
  readonly #costs = new Map<number, number>();
  #bytes = 0;

  constructor(private readonly budget: number) {}

  /** @returns whether it was there */
  use(key: number, cost: number): boolean {
    const there = this.#costs.delete(key);
    this.#costs.set(key, cost);
    if (there) return true;
    this.#bytes += cost;
    for (const [oldest, bytes] of this.#costs) {
      if (this.#bytes <= this.budget) break;
      this.#costs.delete(oldest);
      this.#bytes -= bytes;
    }
    return false;
  }

  /** It has changed, and is not there any more. */
  end(key: number): void {
    this.#bytes -= this.#costs.get(key) ?? 0;
    this.#costs.delete(key);
  }
}
