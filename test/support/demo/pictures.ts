/** The pictures of the demo site, drawn pixel by pixel; the same ones in every run. */
import { encodePng } from './png.js';

type Colour = readonly [red: number, green: number, blue: number];
/** The colour at a point: `y` from 0 at the top to 1, `x` from 0 to the width divided by the height. */
type Shade = (x: number, y: number) => Colour;

const WIDTH = 800;
const HEIGHT = 450;

function draw(shade: Shade): Buffer {
  const pixels = new Uint8Array(WIDTH * HEIGHT * 3);
  for (let row = 0; row < HEIGHT; row += 1) {
    for (let column = 0; column < WIDTH; column += 1) {
      const colour = shade((column + 0.5) / HEIGHT, (row + 0.5) / HEIGHT);
      pixels.set(colour.map(toByte), (row * WIDTH + column) * 3);
    }
  }
  return encodePng(WIDTH, HEIGHT, pixels);
}

const toByte = (value: number): number => Math.max(0, Math.min(255, Math.round(value)));
const clamp = (value: number): number => Math.max(0, Math.min(1, value));
const mix = (a: number, b: number, t: number): number => a + (b - a) * t;
const smooth = (t: number): number => t * t * (3 - 2 * t);

const scale = ([r, g, b]: Colour, by: number): Colour => [r * by, g * by, b * by];

function blend(a: Colour, b: Colour, t: number): Colour {
  return [mix(a[0], b[0], t), mix(a[1], b[1], t), mix(a[2], b[2], t)];
}

/** The colour at `t`, 0 to 1, of a gradient through evenly spaced stops. */
function gradient(stops: readonly Colour[], t: number): Colour {
  const at = clamp(t) * (stops.length - 1);
  const index = Math.min(Math.floor(at), stops.length - 2);
  const [from = [0, 0, 0], to = from] = [stops[index], stops[index + 1]];
  return blend(from, to, at - index);
}

/** A number from 0 to 1 that looks random and depends on the three integers only. */
function hash(x: number, y: number, seed: number): number {
  let h = Math.imul(x, 0x27d4eb2d) ^ Math.imul(y, 0x165667b1) ^ Math.imul(seed, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 0xffffffff;
}

function noise(x: number, y: number, seed: number): number {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [u, v] = [smooth(x - left), smooth(y - top)];
  const upper = mix(hash(left, top, seed), hash(left + 1, top, seed), u);
  const lower = mix(hash(left, top + 1, seed), hash(left + 1, top + 1, seed), u);
  return mix(upper, lower, v);
}

/** Noise of several sizes on top of each other, 0 to 1. */
function clouds(x: number, y: number, seed: number, octaves = 4): number {
  let sum = 0;
  let weight = 0.5;
  for (let octave = 0; octave < octaves; octave += 1) {
    sum += weight * noise(x * 2 ** octave, y * 2 ** octave, seed + octave);
    weight /= 2;
  }
  return sum / (1 - 2 ** -octaves);
}

const CLAY: readonly Colour[] = [
  [136, 52, 34],
  [172, 70, 42],
  [200, 92, 56],
];
const MORTAR: Colour = [74, 58, 56];
const TURQUOISE: Colour = [72, 206, 192];
/** By row and place in it. */
const LIT = new Set(['2/2', '4/5', '6/3']);

/** A wall whose light comes from the upper left. */
function bricks(x: number, y: number): Colour {
  const [rows, length] = [9, 0.28];
  const row = Math.floor(y * rows);
  const along = x / length + (row % 2) / 2;
  const place = Math.floor(along);
  const [u, v] = [(along - place) * length, (y * rows - row) / rows];
  const edge = Math.min(u, length - u, v, 1 / rows - v);
  const grain = 0.9 + 0.2 * clouds(x * 30, y * 30, 5, 3);
  const light = 1.25 - 0.62 * Math.hypot(x / 1.9, y);
  const lit = LIT.has(`${row}/${place}`);
  const face = lit ? TURQUOISE : gradient(CLAY, hash(place, row, 1));
  const bevel = 1 + (edge === u || edge === v ? 0.22 : -0.16) * clamp((0.016 - edge) / 0.009);
  const brick = scale(face, grain * bevel * (lit ? Math.max(light, 0.95) : light));
  return blend(scale(MORTAR, grain * light), brick, smooth(clamp((edge - 0.004) / 0.003)));
}

const NIGHT: readonly Colour[] = [
  [9, 13, 36],
  [17, 44, 84],
  [23, 112, 122],
  [120, 196, 172],
  [255, 226, 160],
];
const SOURCES: readonly (readonly [x: number, y: number])[] = [
  [0.32, 0.7],
  [0.95, 0.24],
  [1.5, 0.78],
];

/** Circular waves from three points. */
function waves(x: number, y: number): Colour {
  let sum = 0;
  for (const [left, top] of SOURCES) {
    const distance = Math.hypot(x - left, y - top);
    sum += Math.cos(distance * 84) / (1 + 2.2 * distance);
  }
  const shore = 1 - 0.35 * Math.hypot((x - 0.89) / 0.89, y - 0.5);
  return scale(gradient(NIGHT, 0.42 + sum * 0.3), shore);
}

const LAND: readonly Colour[] = [
  [12, 34, 58],
  [20, 62, 92],
  [38, 108, 124],
  [226, 206, 160],
  [146, 160, 104],
  [98, 122, 84],
  [188, 168, 142],
  [246, 240, 230],
];

/** A coast with contour lines, lit from the upper left. */
function contours(x: number, y: number): Colour {
  const height = (dx: number, dy: number): number => clouds(x * 2.3 + dx, y * 2.3 + dy, 40, 5);
  const here = height(0, 0);
  const slope = height(0.012, 0.012) - here;
  const level = (here - 0.2) * 30;
  const line = Math.abs(level - Math.round(level)) / (Math.abs(slope) * 14 + 0.06);
  const land = here > 0.5;
  const shade = land ? 1 + clamp(slope * 14 + 0.5) * 0.5 - 0.25 : 1;
  const ink = clamp(1.4 - line) * (land ? 0.35 : 0.22);
  const colour = gradient(LAND, (here - 0.22) / 0.58);
  return blend(scale(colour, shade), land ? [58, 46, 38] : [160, 210, 216], ink);
}

const SILK: readonly Colour[] = [
  [38, 14, 44],
  [108, 24, 58],
  [190, 62, 52],
  [238, 148, 88],
  [252, 226, 190],
];
const DUSK: readonly Colour[] = [
  [10, 18, 38],
  [30, 42, 92],
  [112, 62, 128],
  [226, 112, 106],
  [255, 206, 142],
];

/** Noise that is looked up where other noise says. */
function folds(stops: readonly Colour[], seed: number): Shade {
  return (x, y) => {
    const [a, b] = [clouds(x * 1.6, y * 1.6, seed), clouds(x * 1.6, y * 1.6, seed + 20)];
    const fold = clouds(x * 1.2 + 3.4 * a, y * 1.2 + 3.4 * b, seed + 40);
    const sheen = 0.8 + 0.4 * clouds(x * 2 + 5 * fold, y * 2 + 3 * a, seed + 60);
    return scale(gradient(stops, (fold - 0.24) * 1.9), sheen);
  };
}

/** PNG files by name. Takes about a second. */
export const PICTURES = {
  'bricks.png': () => draw(bricks),
  'waves.png': () => draw(waves),
  'contours.png': () => draw(contours),
  'silk.png': () => draw(folds(SILK, 7)),
  'dusk.png': () => draw(folds(DUSK, 13)),
} as const;
