/** `header[]`: what a mount sets and removes in every head. Built once from the configuration; pure. */
import type { HeaderRule } from '../config/types.js';

/** A head as of reply.ts → the same with the mount's headers. The very same where the mount has no rules. */
export type ApplyHeaders = (head: string) => string;

export function compileHeaders(rules: readonly HeaderRule[]): ApplyHeaders {
  if (rules.length === 0) return (head) => head;
  const isVary = ({ name }: HeaderRule): boolean => name.toLowerCase() === 'vary';
  const vary = rules.filter(isVary).map(({ value }) => value);
  const added = rules
    .filter((rule) => rule.value !== '' && !isVary(rule))
    .map(({ name, value }) => `\r\n${name}: ${value}`)
    .join('');
  // Of a header that is set, ours goes; values never hold a CR, which ends a line for certain.
  const names = rules.map(({ name }) => name.replace(/[^A-Za-z0-9_-]/g, '\\$&'));
  const ours = new RegExp(`\r\n(${names.join('|')}):[ \t]*([^\r]*)`, 'gi');
  return (head) => {
    const varying: string[] = [];
    const kept = head.replace(ours, (_line, name: string, value: string) => {
      if (name.toLowerCase() === 'vary') varying.push(value);
      return '';
    });
    return kept + varyLine([...varying, ...vary]) + added;
  };
}

/** Every field that some answer depends on, once: one left out would have caches mix up answers. */
function varyLine(values: readonly string[]): string {
  const fields = new Map<string, string>();
  for (const field of values.join(',').split(',')) {
    const name = field.trim();
    if (name !== '' && !fields.has(name.toLowerCase())) fields.set(name.toLowerCase(), name);
  }
  return fields.size === 0 ? '' : `\r\nVary: ${[...fields.values()].join(', ')}`;
}
