import { resolve } from 'node:path';
import { kafkaOptionsOf } from '../../definition/kafka-connection.ts';
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
  const { dlq, directory } = definition;
  if ('file' in dlq) return { file: resolve(directory, dlq.file) };
  return { topic: dlq.topic, connection: kafkaOptionsOf(definition), isLazy: true };
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
