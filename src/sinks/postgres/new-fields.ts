/** What becomes of an event with a field that the table has no column for. */
import type { PostgresSinkOptions } from './index.ts';
import { ownVersionColumn, type Plan } from './plan.ts';
import { Refusal } from './types.ts';

/** Names no column can have: those PostgreSQL gives to every table itself, and ours. */
const taken = new Set(['tableoid', 'xmin', 'cmin', 'xmax', 'cmax', 'ctid', ownVersionColumn]);
const ownPrefix = '_pipectl_';
/** A longer name would be cut off by the server and be another one. */
const nameBytesMax = 63;

/** `known`: nothing is new, or what is new is null and has no type yet. `brings`: columns are to be added for it. */
export type Newness = 'known' | 'brings' | Refusal;

/** Looks at every event of a sink with `on_new_field: fail` or `add_column`. */
export class NewFields {
  readonly #adds: boolean;
  readonly #known: ReadonlySet<string>;
  readonly #table: string;
  readonly #key: readonly string[];
  /** How many columns may still come. */
  readonly #room: number;
  readonly #coming = new Set<string>();

  /** Null where new fields are ignored. */
  static of(plan: Plan, options: PostgresSinkOptions): NewFields | null {
    return options.on_new_field === 'ignore' ? null : new NewFields(plan, options);
  }

  private constructor({ table, columns, keyCount }: Plan, options: PostgresSinkOptions) {
    this.#adds = options.on_new_field === 'add_column';
    // A column the database computes is there, so it can't be added; nor is it written, so it is new to `fail`.
    this.#known = new Set((this.#adds ? table.columns : columns).map(({ name }) => name));
    this.#table = table.sql;
    this.#key = columns.slice(0, keyCount).map(({ name }) => name);
    this.#room = options.columns_max - table.columns.length;
  }

  look(event: Readonly<Record<string, unknown>>): Newness {
    let newness: Newness = 'known';
    for (const field of Object.keys(event)) {
      if (this.#known.has(field)) continue;
      const value = event[field];
      if (value === undefined || (value === null && this.#adds)) continue;
      if (!this.#adds) return refused(field, `${this.#table} has no column for it`);
      // Refused for its key anyway.
      if (this.#key.some((name) => event[name] === undefined || event[name] === null)) return 'known';
      const obstacle = this.#obstacle(field);
      if (obstacle !== undefined) return refused(field, obstacle);
      this.#coming.add(field);
      newness = 'brings';
    }
    return newness;
  }

  /** Why no column of that name can be added. */
  #obstacle(field: string): string | undefined {
    if (taken.has(field) || field.startsWith(ownPrefix)) return 'a column of that name is not for events';
    if (field === '' || field.includes('\0') || !field.isWellFormed()) return 'that is no name of a column';
    if (Buffer.byteLength(field) > nameBytesMax) return `the name of a column has no more than ${nameBytesMax} bytes`;
    if (this.#coming.has(field) || this.#coming.size < this.#room) return undefined;
    return `${this.#table} has as many columns as columns_max allows`;
  }
}

/** Of the field only the name is told, and of a long one its beginning. */
const refused = (field: string, reason: string): Refusal =>
  new Refusal('sink_field_new', `field ${JSON.stringify(field.slice(0, nameBytesMax))} is new: ${reason}`);
