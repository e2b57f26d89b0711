/** What surrounds an expression: the names it may read, and what is known about them. */
import type { Type } from './tree.ts';

/** A var that is not known where expressions are only checked (an unset environment variable). */
export const unknownVar: unique symbol = Symbol('a var that is not known yet');

/** A var whose value must not appear anywhere but in results. */
export interface SecretVar {
  reveal(): unknown;
}

/** What surrounds an expression. */
export interface Environment {
  readonly vars: Readonly<Record<string, unknown>>;
  /** Names that may be read: `event`, `key`, `meta`, `vars`, and what the place adds (`before`). */
  readonly names: readonly string[];
  readonly event: Type;
}

export const metaTypes: Readonly<Record<string, Type>> = {
  topic: 'string',
  partition: 'int',
  offset: 'int',
  timestamp: 'timestamp',
  headers: { map: 'string' },
  source: 'string',
  late: 'bool',
};

/** The value of a var, taken out of its wrapping. */
export function varValue(environment: Environment, name: string): unknown {
  const value = environment.vars[name];
  return typeof value === 'object' && value !== null && 'reveal' in value && typeof value.reveal === 'function'
    ? (value as SecretVar).reveal()
    : value;
}
