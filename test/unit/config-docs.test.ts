import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { renewTables } from '../../src/config/docs.js';
import { loadConfig } from '../../src/config/load.js';
import { type Key, sections } from '../../src/config/schema.js';
import { formatConfigError } from '../../src/config/types.js';

/** Tests run from dist/test/unit. */
const path = (name: string): string => fileURLToPath(new URL(`../../../${name}`, import.meta.url));

const keys = sections.flatMap((spec) =>
  Object.entries<Key>(spec.keys).map(([name, key]) => ({ spec, name, key })),
);

describe('docs/config.md', () => {
  test('has the tables of the schema (UPDATE_DOCS=1 renews them)', () => {
    const page = readFileSync(path('docs/config.md'), 'utf8');
    const renewed = renewTables(page);
    if (process.env.UPDATE_DOCS === '1') writeFileSync(path('docs/config.md'), renewed);
    else expect(page).toBe(renewed);
  });

  test('needs its marks', () => {
    expect(() => renewTables('no marks')).toThrow('marks');
  });

  test.each(keys.map(({ spec, name, key }) => [`[${spec.kind}] ${name}`, key] as const))(
    '%s can stand in a table',
    (_, key) => {
      const words = [
        key.meaning,
        'type' in key ? key.type.words : '',
        'unset' in key ? key.unset : '',
      ];
      expect(words.join('')).not.toMatch(/[|\n]/);
      expect(key.meaning).toMatch(/^[A-Z].*\.$/);
    },
  );
});

describe('the schema', () => {
  const defaults = keys.flatMap(({ spec, name, key }) =>
    key.kind === 'default' ? [[`[${spec.kind}] ${name}`, key] as const] : [],
  );
  test.each(defaults)('%s has a default that it accepts', (_, key) => {
    expect(key.type.parse(key.fallback)).toMatchObject({ ok: true });
  });
});

describe('conf/server.ini', () => {
  test('is right', () => {
    const result = loadConfig(path('conf/server.ini'), {});
    expect(result.ok ? result.config.warnings : result.errors.map(formatConfigError)).toEqual([]);
  });

  const text = readFileSync(path('conf/server.ini'), 'utf8');
  test.each(keys.map(({ spec, name }) => [`[${spec.kind}] ${name}`, spec, name] as const))(
    'shows %s',
    (_, spec, name) => {
      const section = text.split(/^(?=\[)/m).find((part) => part.startsWith(`[${spec.kind}`));
      const shown = new RegExp(`^(?:; )?${name}(?:\\[\\])? = `, 'm').test(section ?? '');
      expect(shown).toBe(true);
    },
  );
});
