/** The values a pipeline runs with, each with where it comes from, and without secrets. */
import { meaningKeyword } from '../declaration/options.ts';
import { hideSecrets } from '../declaration/secrets.ts';
import { isMapping, type JsonSchema } from '../definition/json-schema.ts';
import type { ValuePath } from '../definition/pipeline.ts';
import type { Origin, Written } from './written.ts';

export interface Setting {
  /** `table`, `guard.schema`; empty where a component takes a single value (`filter: ...`). */
  readonly name: string;
  /** Plain JSON. `***` stands for a secret. */
  readonly value: unknown;
  readonly origin: Origin;
}

const hidden = '***';

/** Reads options and says where they come from. Holds what must not be shown. */
export class SettingsReader {
  readonly #written: Written;
  readonly #secrets: readonly string[];

  constructor(written: Written, secrets: readonly string[]) {
    this.#written = written;
    this.#secrets = secrets;
  }

  /** Every value among `options` that is there, in the order of the schema. Nested ones get a dotted name. */
  of(options: unknown, schema: JsonSchema, path: ValuePath): readonly Setting[] {
    return this.#of('', options, schema, path);
  }

  /** One value that stands at `path`. */
  one(name: string, value: unknown, path: ValuePath, byDefault?: string): Setting {
    return { name, value: this.#shown(value, {}), origin: this.#written.origin(path, byDefault) };
  }

  /** The value of a var: only what stands in the file in plain sight. */
  ofVar(name: string, value: unknown): Setting {
    // What is filled in may be secret without saying so.
    const shown = this.#written.isPlain(['vars', name]) ? this.#shown(value, {}) : hidden;
    return { name, value: shown, origin: this.#written.origin(['vars', name]) };
  }

  /** Sentences and expressions, with secrets taken out. */
  text(text: string): string {
    return hideSecrets(text, this.#secrets, () => hidden);
  }

  #of(name: string, value: unknown, schema: JsonSchema, path: ValuePath): readonly Setting[] {
    const fitting = objectSchema(schema);
    if (!isMapping(value) || fitting === null)
      return [{ name, value: this.#shown(value, schema), origin: this.#written.origin(path) }];
    const { properties = {}, additionalProperties } = fitting;
    const rest = isMapping(additionalProperties) ? (additionalProperties as JsonSchema) : {};
    const keys = [...Object.keys(properties), ...Object.keys(value).filter((key) => !Object.hasOwn(properties, key))];
    return keys
      .filter((key) => value[key] !== undefined)
      .flatMap((key) => {
        const inner = Object.hasOwn(properties, key) ? properties[key]! : rest;
        return this.#of(name === '' ? key : `${name}.${key}`, value[key], inner, [...path, key]);
      });
  }

  #shown(value: unknown, schema: JsonSchema): unknown {
    if (typeof value === 'bigint') return String(value);
    if (Array.isArray(value)) return value.map((item: unknown) => this.#shown(item, {}));
    if (isMapping(value))
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, this.#shown(inner, {})]));
    if (typeof value !== 'string') return value ?? null;
    if (schema[meaningKeyword] === 'secret') {
      // Where it leads may be all of a URL, which is a secret as a whole.
      const others = this.#secrets.filter((secret) => secret !== value);
      return hideSecrets(withoutSecret(value), others, () => hidden);
    }
    return this.text(value.replaceAll(/:\/\/[^\s/?#@]*@/g, `://${hidden}@`));
  }
}

/** The alternative that is a mapping, where one is. */
function objectSchema(schema: JsonSchema): JsonSchema | null {
  if (schema.type === 'object') return schema;
  return schema.anyOf?.find((member) => member.type === 'object') ?? null;
}

/** Of a URL where it leads; a variable that is not set; of anything else nothing. */
function withoutSecret(text: string): string {
  if (/^\$\{[^}]*\}$/.test(text)) return text;
  if (text.includes('${') || !URL.canParse(text)) return hidden;
  const { protocol, host, pathname } = new URL(text);
  return host === '' ? hidden : `${protocol}//${host}${pathname}`;
}
