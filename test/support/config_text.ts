/** Configuration files as text, and what is read from them. */
import { loadConfigText } from '../../src/config/load.js';
import { type Config, formatConfigError, type LoadResult } from '../../src/config/types.js';

export const minimal = {
  server: 'listen[] = :8080',
  volume: 'servers = 192.0.2.1',
  mount: 'path = /\nvolume = v',
};

/** A file that is right in all but what the test puts into it. */
export function file(parts: Partial<typeof minimal> & { readonly rest?: string }): string {
  const all = { rest: '', ...minimal, ...parts };
  return `[server]\n${all.server}\n[volume v]\n${all.volume}\n[mount m]\n${all.mount}\n${all.rest}`;
}

const env = { HOST: '192.0.2.9', EMPTY: '' };
export const load = (text: string): LoadResult => loadConfigText(text, 'server.ini', env);

export function loaded(text: string): Config {
  const result = load(text);
  if (!result.ok) throw new Error(result.errors.map(formatConfigError).join('\n'));
  return result.config;
}

export function errors(text: string): string[] {
  const result = load(text);
  return result.ok ? [] : result.errors.map(formatConfigError);
}
