import type { SinkDeclaration } from '../declaration/component.ts';

/** Every sink, by the key that names it in a pipeline file. */
export const sinks: readonly SinkDeclaration[] = [];
