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

/** Picks by weight; plan.lua does the same. */
export class Picker<T extends { readonly weight: number }> {
  readonly #sums: readonly number[];
  readonly #total: number;

  /** @throws RangeError for no items */
  constructor(private readonly items: readonly T[]) {
    if (items.length === 0) throw new RangeError('nothing to pick from');
    let total = 0;
    this.#sums = items.map(({ weight }) => {
      total += weight;
      return total;
    });
    this.#total = total;
  }

  /** @param random 0 to below 1 */
  pick(random: number): T {
    const wanted = random * this.#total;
    let low = 0;
    let high = this.items.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sums[middle] ?? 0) > wanted) high = middle;
      else low = middle + 1;
    }
    const item = this.items[low];
    if (item === undefined) throw new Error(`no item ${low}`);
    return item;
  }
}
