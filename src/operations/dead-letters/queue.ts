import { resolve } from 'node:path';
import type { PipelineDefinition } from '../../definition/pipeline.ts';
import type { DeadLetterQueue, Log } from '../../engine/ports.ts';
import type { DeadLetterContext } from './record.ts';

/** Where the dead letters of a pipeline are. */
export type DeadLetterPlace =
  /** An absolute path. */
  | { readonly file: string }
  /** `connection` holds the options of a `kafka` connection. `isLazy`: the topic is created with the first dead letter. */
  | { readonly topic: string; readonly connection: Readonly<Record<string, unknown>>; readonly isLazy: boolean };

/** A topic lies in the cluster the pipeline reads from. */
export function deadLetterPlace(definition: PipelineDefinition): DeadLetterPlace {
  const {
    dlq,
    directory,
    connections,
    sources: [source],
  } = definition;
  if ('file' in dlq) return { file: resolve(directory, dlq.file) };
  const { connection } = source.options as { readonly connection?: string };
  return { topic: dlq.topic, connection: connections[connection ?? 'kafka']?.options ?? {}, isLazy: true };
}

/** The dead-letter queue of a running pipeline. Connects with the first letter. */
export async function openDeadLetterQueue(
  definition: PipelineDefinition,
  { pipeline, pipelineHash, log }: { readonly pipeline: string; readonly pipelineHash: string; readonly log: Log },
): Promise<DeadLetterQueue & { close(): Promise<void> }> {
  const place = deadLetterPlace(definition);
  const { secrets, letterForm: form } = definition;
  const context: DeadLetterContext = { pipeline, pipelineHash, secrets, form };
  if ('file' in place) {
    const { FileDeadLetterQueue } = await import('./file-queue.ts');
    return new FileDeadLetterQueue(place.file, context);
  }
  const { KafkaDeadLetterQueue } = await import('./kafka-queue.ts');
  return new KafkaDeadLetterQueue(place.topic, place.connection, context, log);
}
