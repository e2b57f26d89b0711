import type { SourceDeclaration } from '../declaration/component.ts';
import { fileSource } from './file/index.ts';
import { generateSource } from './generate/index.ts';
import { kafkaSource } from './kafka/index.ts';

/** Every source, by the key that names it in a pipeline file. */
export const sources: readonly SourceDeclaration[] = [fileSource, generateSource, kafkaSource];
