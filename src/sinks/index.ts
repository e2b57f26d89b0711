import type { SinkDeclaration } from '../declaration/component.ts';
import { discardSink } from './discard/index.ts';
import { fileSink } from './file/index.ts';
import { postgresSink } from './postgres/index.ts';
import { stdoutSink } from './stdout/index.ts';

/** Every sink, by the key that names it in a pipeline file. */
export const sinks: readonly SinkDeclaration[] = [discardSink, fileSink, postgresSink, stdoutSink];
