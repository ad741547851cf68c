/** How often each of several things is wanted. */

/** Zipf's law: the second is wanted half as often as the first, the third a third as often. */
export function zipf(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => 1 / (index + 1));
}

/** All the same. */
export function even(count: number): readonly number[] {
  return Array.from({ length: count }, () => 1);
}

/** The weights in proportion, so that their sum is `sum`. */
export function scaled(weights: readonly number[], sum: number): readonly number[] {
  const total = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight) => (weight * sum) / total);
}

/** In another order, always the same one: neighbours come apart. @param step coprime to the length */
export function scattered<T>(items: readonly T[], step: number): readonly T[] {
  return items.flatMap((_, index) => {
    const item = items[(index * step) % items.length];
    return item === undefined ? [] : [item];
  });
}

/** Picks by weight; items of equal weights each once before any comes again. plan.lua does the same. */
export class Picker<T extends { readonly weight: number }> {
  readonly #sums: readonly number[];
  readonly #total: number;
  readonly #items: T[];
  readonly #isDeck: boolean;
  #dealt = 0;

  /** @throws RangeError for no items */
  constructor(items: readonly T[]) {
    if (items.length === 0) throw new RangeError('nothing to pick from');
    this.#items = [...items];
    this.#isDeck = items.every(({ weight }) => weight === items[0]?.weight);
    let total = 0;
    this.#sums = items.map(({ weight }) => {
      total += weight;
      return total;
    });
    this.#total = total;
  }

  /** @param random 0 to below 1 */
  pick(random: number): T {
    return this.#isDeck ? this.#deal(random) : this.#weigh(random);
  }

  #deal(random: number): T {
    const items = this.#items;
    if (this.#dealt === items.length) this.#dealt = 0;
    const at = this.#dealt;
    const other = at + Math.floor(random * (items.length - at));
    const [item, former] = [items[other], items[at]];
    if (item === undefined || former === undefined) throw new Error(`no item ${other}`);
    items[other] = former;
    items[at] = item;
    this.#dealt += 1;
    return item;
  }

  #weigh(random: number): T {
    const wanted = random * this.#total;
    let low = 0;
    let high = this.#items.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sums[middle] ?? 0) > wanted) high = middle;
      else low = middle + 1;
    }
    const item = this.#items[low];
    if (item === undefined) throw new Error(`no item ${low}`);
    return item;
  }
}
