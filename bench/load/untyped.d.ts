/** The little of autocannon that is used here; it comes without types. */
declare module 'autocannon' {
  interface RequestOptions {
    method?: string;
    path?: string;
    headers?: Readonly<Record<string, string>>;
  }

  interface Options {
    url: string;
    connections: number;
    /** In seconds. */
    duration: number;
    /** In seconds. */
    timeout: number;
    requests: { setupRequest: (request: RequestOptions) => RequestOptions }[];
    skipAggregateResult?: boolean;
  }

  interface Result {
    /** In seconds. */
    readonly duration: number;
    readonly errors: number;
    readonly timeouts: number;
    /** In milliseconds. */
    readonly latency: { readonly p50: number; readonly p99: number; readonly p99_9: number };
    readonly requests: { readonly total: number };
    /** In bytes. */
    readonly throughput: { readonly total: number };
    readonly statusCodeStats: Readonly<Record<string, { readonly count: number }>>;
  }

  export default function autocannon(options: Options): PromiseLike<Result>;
}
