/** Reloads and upgrades under load: kept connections, and new ones all the time, none of which may notice. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sha256 } from '../support/client.js';
import { Gfserve, until } from '../support/gfserve.js';
import { Connection, digestOf, KeepAliveLoad } from '../support/keep_alive.js';
import { isAlive } from '../support/supervised.js';
import { Plain } from './plain.js';
import { type Findings, say, tell } from './report.js';

const WORKERS = 2;
/** 16 kept connections for each. */
const SIZES = [1 << 10, 8 << 10, 64 << 10, 200_000] as const;
const KEPT_EACH = 16;
const PAUSE_MS = 60;
/** New connections a second, and how many may be under way. */
const RATE = 1_000;
const MOST_AT_ONCE = 400;
const TICK_MS = 5;
const CHANGES = 22;
const BROKEN: readonly number[] = [3, 7, 12, 16, 20];
const UPGRADES: readonly number[] = [9, 18];
const MIGRATE = '/proc/sys/net/ipv4/tcp_migrate_req';

interface Target {
  readonly url: string;
  readonly digest: string;
}

/** Clients that come for one request each, at a rate that does not depend on how fast they are served. */
class Arrivals {
  opened = 0;
  right = 0;
  /** They were due, and the machine had no room for them. */
  skipped = 0;
  readonly lost: Record<string, number> = {};
  wrong = 0;
  #active = 0;
  #isRunning = true;
  readonly #ticking: Promise<void>;

  constructor(
    private readonly port: number,
    private readonly target: Target,
  ) {
    this.#ticking = this.#tick();
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    await this.#ticking;
    while (this.#active > 0) await sleep(TICK_MS);
  }

  async #tick(): Promise<void> {
    const start = performance.now();
    let due = 0;
    while (this.#isRunning) {
      const now = Math.floor(((performance.now() - start) / 1000) * RATE);
      for (; due < now; due += 1) {
        if (this.#active >= MOST_AT_ONCE) this.skipped += 1;
        else void this.#come();
      }
      await sleep(TICK_MS);
    }
  }

  async #come(): Promise<void> {
    this.#active += 1;
    this.opened += 1;
    const connection = new Connection({ port: this.port });
    const reply = await connection.ask(this.target.url);
    if (reply.kind === 'lost') this.lost[reply.errno] = (this.lost[reply.errno] ?? 0) + 1;
    else if (reply.status === '200' && digestOf(reply.body) === this.target.digest) this.right += 1;
    else this.wrong += 1;
    connection.close();
    this.#active -= 1;
  }
}

async function fill(mount: string): Promise<Target[]> {
  const targets: Target[] = [];
  for (const size of SIZES) {
    const body = randomBytes(size);
    await writeFile(join(mount, `${size}.bin`), body);
    targets.push({ url: `/${size}.bin`, digest: sha256(body) });
  }
  return targets;
}

class Changes {
  readonly took = new Map<string, number[]>();

  constructor(
    private readonly server: Gfserve,
    private readonly config: string,
    private readonly findings: Findings,
  ) {}

  /** The `number`-th of CHANGES. */
  async make(number: number): Promise<void> {
    const { server, config } = this;
    const broken = BROKEN.includes(number);
    const extra = broken ? 'colour = red' : '';
    const kind = UPGRADES.includes(number) ? 'upgrade' : broken ? 'reload, refused' : 'reload';
    await server.configure({ config, workers: WORKERS, server: extra });
    const start = performance.now();
    const was = server.mainPid;
    const isWell = kind === 'upgrade' ? await this.#upgrade(was) : await this.#reload(broken);
    const times = this.took.get(kind) ?? [];
    times.push(performance.now() - start);
    this.took.set(kind, times);
    if (!isWell) this.findings.violation(`change ${number}, ${kind}, did not end as it should`);
  }

  async #upgrade(was: number): Promise<boolean> {
    const { code, output } = await this.server.upgrade();
    tell(output.trim());
    return code === 0 && this.server.mainPid !== was;
  }

  async #reload(broken: boolean): Promise<boolean> {
    const { outcome } = await this.server.sighup();
    return outcome === (broken ? 'refused' : 'applied');
  }
}

function row(...cells: readonly (string | number)[]): void {
  const [first = '', ...others] = cells.map(String);
  say(`  ${first.padEnd(32)}${others.map((cell) => cell.padStart(12)).join('')}`);
}

const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((all, each) => all + each, 0);

/** As many changes as CHANGES says, within `minutes` at least. */
export async function reloads(
  findings: Findings,
  minutes: number,
  stop: AbortSignal,
): Promise<void> {
  const plain = await Plain.build(findings, 1);
  try {
    const targets = await fill(plain.mount);
    const config = plain.config('size = 64M\nvalid = 1s');
    const server = await Gfserve.start({ config, workers: WORKERS });
    try {
      await observe(server, config, targets, findings, minutes * 60_000, stop);
    } finally {
      if (findings.failed) say(server.log);
      await server.stop();
    }
  } finally {
    await plain.takeDown();
  }
}

async function observe(
  server: Gfserve,
  config: string,
  targets: readonly Target[],
  findings: Findings,
  ms: number,
  stop: AbortSignal,
): Promise<void> {
  const migrate = existsSync(MIGRATE) ? readFileSync(MIGRATE, 'utf8').trim() : 'not known';
  tell(`net.ipv4.tcp_migrate_req is ${migrate}`);
  const [smallest] = targets;
  if (!smallest) throw new Error('there are no files');
  const kept = targets.map(
    ({ url, digest }) =>
      new KeepAliveLoad({
        where: { port: server.port },
        url,
        expected: `200 ${digest}`,
        digest: true,
        connections: KEPT_EACH,
        pauseMs: PAUSE_MS,
      }),
  );
  const arrivals = new Arrivals(server.port, smallest);
  const changes = new Changes(server, config, findings);
  const begin = performance.now();
  const pids = new Set([server.pid]);
  for (let number = 1; number <= CHANGES && !stop.aborted; number += 1) {
    const due = begin + (number * ms) / (CHANGES + 1);
    await sleep(Math.max(0, due - performance.now()), undefined, { signal: stop });
    await changes.make(number);
    pids.add(server.mainPid);
  }
  await sleep(Math.max(0, begin + ms - performance.now()), undefined, { signal: stop });
  const counts = await Promise.all(kept.map((load) => load.stop()));
  await arrivals.stop();
  const seconds = (performance.now() - begin) / 1000;
  const former = [...pids].filter((pid) => pid !== server.mainPid);
  await until('the former ones are gone', 60_000, () => !former.some(isAlive));
  report(changes, seconds, arrivals, counts, findings);
}

function report(
  { took }: Changes,
  seconds: number,
  arrivals: Arrivals,
  counts: readonly Awaited<ReturnType<KeepAliveLoad['stop']>>[],
  findings: Findings,
): void {
  const total = (key: 'right' | 'opened' | 'announced' | 'closedIdle'): number =>
    counts.reduce((all, each) => all + each[key], 0);
  const lostFirst = counts.reduce((all, each) => all + each.lostFirst, 0);
  const lostLater = counts.reduce((all, each) => all + each.lostLater, 0);
  const wrong = counts.flatMap((each) => each.wrong);
  say();
  row('', 'number', 'median ms', 'longest ms');
  for (const [kind, times] of took) {
    const sorted = times.toSorted((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
    row(kind, times.length, median.toFixed(0), (sorted.at(-1) ?? 0).toFixed(0));
  }
  say();
  row(`within ${seconds.toFixed(1)} s`, 'kept', 'new');
  row('connections', total('opened'), arrivals.opened);
  row('  a second', (total('opened') / seconds).toFixed(0), (arrivals.opened / seconds).toFixed(0));
  row('answers with the right sha256', total('right'), arrivals.right);
  row('other answers', wrong.length, arrivals.wrong);
  row('closed as announced', total('announced'), '');
  row('closed unannounced, idle', total('closedIdle'), '');
  row('requests lost unannounced', lostLater, '');
  row('refused, reset, unanswered', lostFirst, sum(arrivals.lost));
  row('not opened, machine too busy', '', arrivals.skipped);
  say();
  const errors = [arrivals.lost, ...counts.map((each) => each.errors)];
  if (lostFirst + lostLater + errors.reduce((all, each) => all + sum(each), 0) > 0) {
    findings.violation(`requests were lost: ${JSON.stringify(errors)}`);
  }
  if (total('closedIdle') > 0) findings.violation('kept connections were closed unannounced');
  if (wrong.length + arrivals.wrong > 0) findings.violation(`wrong answers: ${wrong.join(', ')}`);
  if (total('announced') === 0 || arrivals.right === 0) findings.violation('there was no load');
}
