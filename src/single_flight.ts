/** Calls that come while one is under way get its result. */
export function singleFlight<T>(call: () => Promise<T>): () => Promise<T> {
  let flight: Promise<T> | null = null;
  return () => {
    flight ??= call().finally(() => {
      flight = null;
    });
    return flight;
  };
}

/** Calls that come within `ms` milliseconds after one has succeeded get its result again. */
export function recent<T>(
  ms: number,
  call: () => Promise<T>,
  now: () => number = () => performance.now(),
): () => Promise<T> {
  let last: { readonly atMs: number; readonly value: T } | null = null;
  return async () => {
    if (last && now() - last.atMs < ms) return last.value;
    const value = await call();
    last = { atMs: now(), value };
    return value;
  };
}
