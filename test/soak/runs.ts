/** The two ways to run: all faults at random, or one change of the bricks after the other. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  allowSlowStart,
  type Begun,
  drawFault,
  type Fault,
  type FaultTools,
  switchGraph,
} from './faults.js';
import { tell } from './report.js';
import { healed, Topology } from './topology.js';
import { mib, type Workers } from './workers.js';
import { COPIES, VOLUMES, type World } from './world.js';

const MINUTE_MS = 60_000;
/** How much RSS may have grown since the first minute. */
const GROWTH = 0.1;

/** `minutes` long, with the first as the measure and the last without faults. */
export async function mix(
  world: World,
  workers: Workers,
  minutes: number,
  stop: AbortSignal,
): Promise<void> {
  const end = performance.now() + minutes * MINUTE_MS;
  const timer = setInterval(() => tell(workers.memory()), MINUTE_MS);
  stop.addEventListener('abort', () => clearInterval(timer));
  await settle(world, workers, Math.min(MINUTE_MS, (minutes * MINUTE_MS) / 4), stop);
  const tools: FaultTools = { ...world, cluster: world.cluster, workers };
  const topology = new Topology(world.cluster);
  const last = end - Math.min(MINUTE_MS / 2, (minutes * MINUTE_MS) / 6);
  while (performance.now() < last) {
    stop.throwIfAborted();
    if (world.random.chance(0.08)) tell(await withWindow(world, () => topology.addOrRemove()));
    else await step(draw(tools), tools, stop);
    await sleep(world.random.between(1_000, 5_000), undefined, { signal: stop });
    // Of a file with one good copy the next fault might take that one: nobody could serve it.
    if (!(await healed(world.cluster))) tell(`${COPIES} is not healed after two minutes`);
  }
  tell('no more faults');
  await sleep(Math.max(0, end - performance.now()), undefined, { signal: stop });
  clearInterval(timer);
  await finish(world, workers, GROWTH);
}

/** Load without faults, then a rest, and what the workers hold then is what they are compared with. */
async function settle(
  world: World,
  workers: Workers,
  ms: number,
  stop: AbortSignal,
): Promise<void> {
  world.startLoad();
  await sleep(ms, undefined, { signal: stop });
  await world.stopLoad();
  await workers.takeBaselines();
  tell(`at rest: ${workers.memory()}`);
  world.startLoad();
}

async function finish(world: World, workers: Workers, growth: number): Promise<void> {
  await world.stopLoad();
  await world.compareAll(workers.port);
  await workers.compare(growth);
  tell(`at rest: ${workers.memory()}`);
}

/** One to three faults that can be there together. */
function draw(tools: FaultTools): readonly Fault[] {
  const faults: Fault[] = [];
  const count = tools.random.pick([1, 1, 2, 2, 3]);
  while (faults.length < count) {
    const fault = drawFault(tools);
    const glusterds = [...faults, fault].some(({ place }) => place === 'glusterd');
    const needed = [...faults, fault].some(({ needsGlusterds }) => needsGlusterds);
    if (faults.some(({ place }) => place === fault.place) || (glusterds && needed)) continue;
    faults.push(fault);
  }
  return faults;
}

async function step(faults: readonly Fault[], tools: FaultTools, stop: AbortSignal): Promise<void> {
  tell(faults.map(({ title }) => title).join(' + '));
  const hold = tools.random.between(3_000, 20_000);
  const killed = faults.some(({ place }) => place === 'worker');
  // A new worker learns from a node's glusterd where its bricks listen.
  const hindered = faults.some(({ silent, place }) => silent || place === 'glusterd');
  const slow = killed && hindered ? allowSlowStart(tools) : null;
  const begun: Begun[] = [];
  try {
    for (const fault of faults) begun.push(await fault.begin());
    await sleep(hold, undefined, { signal: stop });
  } finally {
    for (const { thaw } of begun) await thaw?.();
    if (!stop.aborted) {
      for (const { glusterds } of begun) await glusterds?.();
      for (const { bricks } of begun) await bricks?.();
    }
    for (const { close } of begun) close?.();
    slow?.();
  }
}

async function withWindow(world: World, change: () => Promise<string>): Promise<string> {
  const closes = VOLUMES.map((volume) => world.windows.open('new layout', volume, []));
  try {
    return await change();
  } finally {
    for (const close of closes) close(5_000);
  }
}

/** `cycles` times: bricks come, go or are replaced; then an option is set that switches the graph. */
export async function topology(
  world: World,
  workers: Workers,
  cycles: number,
  stop: AbortSignal,
): Promise<void> {
  await settle(world, workers, 30_000, stop);
  const bricks = new Topology(world.cluster);
  const start = workers.rss(1);
  let before = start;
  for (let cycle = 1; cycle <= cycles; cycle++) {
    stop.throwIfAborted();
    const what = await withWindow(world, async () => {
      const change = cycle % 2 === 1 ? bricks.addOrRemove() : bricks.replace((cycle / 2) % 3);
      const texts = [await change];
      for (const volume of VOLUMES) {
        texts.push(`${volume}: ${await switchGraph(world.cluster, volume, world.random)}`);
      }
      return texts.join('; ');
    });
    await sleep(5_000, undefined, { signal: stop });
    const now = workers.rss(1);
    tell(`cycle ${cycle}: ${what}`);
    tell(`cycle ${cycle}: worker 1 has ${mib(now)} MiB, ${mib(now - before)} more than before it`);
    before = now;
  }
  tell(`worker 1 grew by ${mib((before - start) / cycles)} MiB a cycle on average`);
  // Each switch leaves memory behind inside of libgfapi: that is told, and no failure.
  await finish(world, workers, Number.POSITIVE_INFINITY);
}
