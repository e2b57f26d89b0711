import type { StepDeclaration } from '../declaration/component.ts';
import { drop } from './drop/index.ts';
import { enrich } from './enrich/index.ts';
import { explode } from './explode/index.ts';
import { filter } from './filter/index.ts';
import { keep } from './keep/index.ts';
import { map } from './map/index.ts';
import { set } from './set/index.ts';

/** Every step, by the key that names it in a pipeline file. */
export const steps: readonly StepDeclaration[] = [filter, map, set, drop, keep, explode, enrich];
