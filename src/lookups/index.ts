import type { LookupDeclaration } from '../declaration/component.ts';
import { fileLookup } from './file/index.ts';

/** Every lookup, by the key that names it below `lookups:`. */
export const lookups: readonly LookupDeclaration[] = [fileLookup];
