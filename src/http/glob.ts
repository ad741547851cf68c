/** Globs on the names of files. Built once from the configuration; matching is pure and linear. */
import { compileGlob, type Glob } from '../config/globs.js';
import { toText } from './text.js';

export interface GlobOptions {
  /** The mount's, as bytes: globs with a slash see the full path. */
  readonly prefix: string;
  readonly ignoreCase: boolean;
}

/** The index of the first glob that matches; -1: none. `path` is relative to the mount's root, as candidates are. */
export type FirstGlob = (path: string) => number;

export function firstGlob(texts: readonly string[], options: GlobOptions): FirstGlob {
  const { prefix, ignoreCase } = options;
  const globs = texts.map((text) => compiled(text, ignoreCase));
  if (globs.length === 0) return () => -1;
  return (path) => {
    const full = toText(prefix + path);
    const name = full.slice(full.lastIndexOf('/') + 1);
    const folded = ignoreCase ? name.toLowerCase() : name;
    return globs.findIndex(({ hasSlash, simple, pattern }) => {
      if (!simple) return pattern.testExact(hasSlash ? full : name);
      return simple.star ? folded.endsWith(simple.text) : folded === simple.text;
    });
  };
}

function compiled(text: string, ignoreCase: boolean): Glob {
  const glob = compileGlob(text, ignoreCase);
  if (!glob.ok) throw new Error(`a glob that the configuration let through: ${glob.message}`);
  return glob.value;
}
