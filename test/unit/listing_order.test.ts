import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  compareBy,
  DEFAULT_ORDER,
  type Order,
  parseOrder,
  RUN_LENGTH,
  Sorter,
} from '../../src/http/listing_order.js';
import type { FolderEntry } from '../../src/storage/storage.js';

test.each([
  ['', 'name', false],
  ['sort=size', 'size', false],
  ['sort=size&order=desc', 'size', true],
  ['order=desc&sort=date', 'date', true],
  ['sort=name&order=asc', 'name', false],
  ['sort=date&order=sideways', 'date', false],
  ['sort=colour&order=desc', 'name', false],
  ['order=desc', 'name', false],
  ['sort=constructor', 'name', false],
  ['sort[]=size', 'name', false],
  ['sort=%73ize', 'size', false],
  ['%zz&sort=size', 'size', false],
])('%j sorts by %s, descending: %p', (query, by, descending) => {
  expect(parseOrder(query)).toEqual({ by, descending });
});

test('what is not asked for is the default itself', () => {
  expect(parseOrder('x=1')).toBe(DEFAULT_ORDER);
});

const file = (name: string, size: number, mtimeSeconds: number): FolderEntry => ({
  name,
  type: 'file',
  size,
  mtimeSeconds,
});
const folder = (name: string, size: number, mtimeSeconds: number): FolderEntry => ({
  ...file(name, size, mtimeSeconds),
  type: 'directory',
});

const some = [
  file('b', 10, 3),
  folder('z', 4096, 1),
  file('a', 20, 2),
  file('B', 10, 2),
  folder('y', 9, 7),
  file('\xff', 1, 9),
];

test.each([
  ['name', false, 'y z B a b \xff'],
  ['name', true, 'z y \xff b a B'],
  ['size', false, 'y z \xff B b a'],
  ['size', true, 'y z a B b \xff'],
  ['date', false, 'z y B a b \xff'],
  ['date', true, 'y z \xff b B a'],
] as const)('by %s, descending: %p', (by, descending, names) => {
  const sorted = [...some].sort(compareBy({ by, descending }));
  expect(sorted.map(({ name }) => name).join(' ')).toBe(names);
});

test('the sorter gives what sorting at once gives, whatever the number', () => {
  const entry = fc.record({
    name: fc.string({ maxLength: 6 }),
    type: fc.constantFrom('file' as const, 'directory' as const),
    size: fc.nat(5),
    mtimeSeconds: fc.nat(5),
  });
  const order = fc.record<Order>({
    by: fc.constantFrom('name', 'size', 'date'),
    descending: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(entry, { maxLength: 20 }),
      order,
      fc.constantFrom(0, 1, 3, RUN_LENGTH - 1, RUN_LENGTH, RUN_LENGTH + 1, 5 * RUN_LENGTH + 7),
      (few, wanted, more) => {
        const many = Array.from({ length: more }, (_, i) =>
          file(`m${(i * 7919) % 104729}`, i % 9, i % 7),
        );
        const all = [...few, ...many].map((one, i) => ({ ...one, name: `${one.name}-${i}` }));
        const sorter = new Sorter(compareBy(wanted));
        sorter.add(all);
        const got: FolderEntry[] = [];
        for (let next = sorter.next(); next; next = sorter.next()) got.push(next);
        expect(got).toEqual(all.sort(compareBy(wanted)));
        expect(sorter.next()).toBeNull();
      },
    ),
    { numRuns: 60 },
  );
});
