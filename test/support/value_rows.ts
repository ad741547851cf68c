import { describe, expect, test } from '@jest/globals';
import type { ValueType } from '../../src/config/values.js';

/** `expected` is the value; for texts that are refused the whole message, or its end where it begins with "…". */
export type Row = readonly [
  name: string,
  type: ValueType<unknown>,
  text: string,
  expected: unknown,
];

export function testRows(what: string, accepted: readonly Row[], refused: readonly Row[]): void {
  describe(what, () => {
    test.each(accepted)('%s %#', (_, type, text, expected) => {
      expect([text, type.parse(text)]).toEqual([text, { ok: true, value: expected }]);
    });

    test.each(refused)('%s %#: refused', (_, type, text, expected) => {
      const parsed = type.parse(text);
      const message = parsed.ok ? 'nothing' : parsed.message;
      const wanted = String(expected);
      const shown = wanted.startsWith('…') ? `…${message.slice(1 - wanted.length)}` : message;
      expect([text, shown]).toEqual([text, wanted]);
    });
  });
}
