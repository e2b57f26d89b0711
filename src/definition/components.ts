/** What a pipeline file may name, and the schema of each. */
import type {
  ConnectionDeclaration,
  LookupDeclaration,
  SinkDeclaration,
  SourceDeclaration,
  StepDeclaration,
} from '../declaration/component.ts';
import { connections } from '../connections/index.ts';
import { lookups } from '../lookups/index.ts';
import { sinks } from '../sinks/index.ts';
import { sources } from '../sources/index.ts';
import { steps } from '../steps/index.ts';
import { asJsonSchema, type JsonSchema } from './json-schema.ts';

export interface Components {
  readonly sources: readonly SourceDeclaration[];
  readonly steps: readonly StepDeclaration[];
  readonly sinks: readonly SinkDeclaration[];
  readonly lookups: readonly LookupDeclaration[];
  readonly connections: readonly ConnectionDeclaration[];
}

/** Every component there is. */
export const components: Components = { sources, steps, sinks, lookups, connections };

/** Of a component's options; empty where there is no such component. */
export function optionsSchema(among: Components, place: keyof Components, component: string): JsonSchema {
  const declaration = among[place].find(({ name }) => name === component);
  return declaration === undefined ? {} : asJsonSchema(declaration.options);
}
