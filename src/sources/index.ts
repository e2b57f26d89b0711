import type { SourceDeclaration } from '../declaration/component.ts';

/** Every source, by the key that names it in a pipeline file. */
export const sources: readonly SourceDeclaration[] = [];
