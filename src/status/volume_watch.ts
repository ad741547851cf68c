/** In which state each volume is over all workers, and since when; told once a second what they have reported. */
import type { VolumeConfig } from '../config/types.js';
import type { WorkerFigures } from '../observe/ledger.js';
import { volumes } from '../observe/metrics.js';
import { humanDuration } from '../words.js';
import type { Events } from './events.js';
import type { BrickFigures, VolumeState } from './report.js';

/** The worst first. */
const STATES = ['down', 'connecting', 'degraded', 'healthy'] as const;
type KnownState = (typeof STATES)[number];

/** What is known of one volume. */
export interface Watched {
  readonly state: VolumeState;
  readonly since: string;
  /** In how many ready workers it is in each state. */
  readonly workers: Readonly<Record<string, number>>;
  readonly bricks: readonly BrickFigures[];
}

/** What all ready workers say of it. */
interface Said {
  readonly states: Map<string, number>;
  /** Whether each brick is connected in all of them. */
  readonly bricks: Map<string, boolean>;
}

interface Brick {
  up: boolean;
  sinceMs: number;
}

interface Known {
  /** null: no worker has ever said. */
  state: KnownState | null;
  sinceMs: number;
  said: Said;
  bricks: Map<string, Brick>;
}

export class VolumeWatch {
  readonly #known = new Map<string, Known>();

  /** `now`: milliseconds since 1970. */
  constructor(
    private readonly events: Events,
    private readonly now: () => number = Date.now,
  ) {}

  look(config: readonly Pick<VolumeConfig, 'name'>[], workers: readonly WorkerFigures[]): void {
    const all = new Map<string, Said>(
      config.map(({ name }) => [name, { states: new Map(), bricks: new Map() }]),
    );
    for (const worker of workers) if (worker.phase === 'ready') take(all, worker);
    for (const name of this.#known.keys()) if (!all.has(name)) this.#known.delete(name);
    for (const [name, said] of all) this.#update(name, said);
  }

  get(name: string): Watched {
    const known = this.#known.get(name);
    if (!known) return { state: 'unknown', since: iso(this.now()), workers: {}, bricks: [] };
    const { said, state, sinceMs, bricks } = known;
    return {
      state: said.states.size === 0 || state === null ? 'unknown' : state,
      since: iso(sinceMs),
      workers: Object.fromEntries(said.states),
      bricks: [...bricks].map(([text, each]) => ({ text, up: each.up, since: iso(each.sinceMs) })),
    };
  }

  #update(name: string, said: Said): void {
    const nowMs = this.now();
    const known = this.#known.get(name) ?? {
      state: null,
      sinceMs: nowMs,
      said,
      bricks: new Map<string, Brick>(),
    };
    this.#known.set(name, known);
    known.said = said;
    const state = STATES.find((each) => said.states.has(each));
    // Between the death of the last worker and the report of the next nobody knows: that is no change of the volume.
    if (!state) return;
    this.#updateBricks(name, known, said);
    if (state === known.state) return;
    const was =
      known.state === null
        ? ''
        : `, after it was ${known.state} for ${humanDuration(nowMs - known.sinceMs)}`;
    if (known.state !== null || state !== 'healthy') {
      this.events.add('volume', toneOf(known.state, state), `volume ${name} is ${state}${was}`);
    }
    known.state = state;
    known.sinceMs = nowMs;
  }

  #updateBricks(name: string, known: Known, { bricks }: Said): void {
    const nowMs = this.now();
    // While a volume has no connection, its bricks are not known: those of before stay as they were.
    if (bricks.size === 0) return;
    for (const text of known.bricks.keys()) if (!bricks.has(text)) known.bricks.delete(text);
    for (const [text, up] of bricks) {
      const before = known.bricks.get(text);
      if (before?.up === up) continue;
      known.bricks.set(text, { up, sinceMs: nowMs });
      if (!before && up) continue;
      const words = up ? 'is connected again' : 'is not connected';
      this.events.add('volume', up ? 'good' : 'bad', `volume ${name}: brick ${text} ${words}`);
    }
  }
}

/** Of the ready workers' samples those that belong to a volume that is configured. */
function take(all: ReadonlyMap<string, Said>, { samples }: WorkerFigures): void {
  for (const { name, labels, value } of samples) {
    const [volume = '', text = ''] = labels;
    if (name === volumes.state.name && value === 1) {
      const states = all.get(volume)?.states;
      states?.set(text, (states.get(text) ?? 0) + 1);
    } else if (name === volumes.brickUp.name) {
      const bricks = all.get(volume)?.bricks;
      bricks?.set(text, value === 1 && bricks.get(text) !== false);
    }
  }
}

function toneOf(before: KnownState | null, now: KnownState): 'good' | 'bad' | 'neutral' {
  if (now === 'healthy') return 'good';
  if (before === null && now === 'connecting') return 'neutral';
  return before !== null && STATES.indexOf(now) > STATES.indexOf(before) ? 'neutral' : 'bad';
}

const iso = (ms: number): string => new Date(ms).toISOString();
