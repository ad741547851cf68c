/** What lies on the volume, in parts: a run writes those that its scenarios need. */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Some bytes of a file. */
export interface FilePart {
  /** Where it begins, in bytes. */
  readonly from: number;
  readonly size: number;
  readonly sha256: string;
}

/** One file as it was written. */
export interface DataFile {
  /** URL path, and path inside the volume. */
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
  /** For those that are asked for piece by piece; else none. */
  readonly windows: readonly FilePart[];
}

export interface PartSpec {
  readonly count: number;
  /** Of each file, in bytes. */
  readonly size: number;
  /** The files are spread over so many. */
  readonly folders: number;
  /** Whether hashes of its windows are needed. */
  readonly windows: boolean;
}

const one = (size: number): PartSpec => ({ count: 1, size, folders: 1, windows: false });
const some = (count: number, size: number, folders: number): PartSpec => ({
  ...{ count, size, folders, windows: false },
});

export const PARTS = {
  'hot-1k': one(KIB),
  'hot-4k': one(4 * KIB),
  'hot-64k': one(64 * KIB),
  small: some(10_000, 4 * KIB, 100),
  many: some(200_000, 4 * KIB, 1000),
  medium: some(500, 64 * KIB, 10),
  big: some(8, MIB, 1),
  large: one(256 * MIB),
  video: { ...one(KIB * MIB), windows: true },
} as const satisfies Readonly<Record<string, PartSpec>>;

export type Part = keyof typeof PARTS;

/** Parts that were not written are empty. */
export type Dataset = Readonly<Record<Part, readonly DataFile[]>>;

export const PART_NAMES = Object.keys(PARTS) as readonly Part[];

/** The path of a part's file. */
export function pathOf(part: Part, index: number): string {
  const { count, folders } = PARTS[part];
  const digits = (value: number, below: number): string =>
    String(value).padStart(String(below - 1).length, '0');
  return `/${part}/${digits(index % folders, folders)}/${digits(index, count)}.bin`;
}

/** The only file of a part, or the first. @throws Error when the part wasn't written */
export function firstOf(dataset: Dataset, part: Part): DataFile {
  const [file] = dataset[part];
  if (file === undefined) throw new Error(`the files of ${part} were not written`);
  return file;
}
