import { DecodeError } from '../codecs/json.ts';
import type { EventRecord, StepOutcomes } from '../engine/ports.ts';
import { PipectlError } from '../errors.ts';
import { EvaluationError } from '../expressions/index.ts';

export type OnError = 'dlq' | 'drop' | 'stop';

/**
 * Does with a record whose expression failed what `on_error` says. `key` is decoded when an expression first asks for it,
 * so that may be what failed. An error that is not the record's fault goes on.
 */
export function recordFailed(
  step: string,
  onError: OnError,
  record: EventRecord,
  error: unknown,
  outcomes: StepOutcomes,
): void {
  if (!(error instanceof EvaluationError || error instanceof DecodeError)) throw error;
  switch (onError) {
    case 'dlq':
      outcomes.dead(record, error.code, error.message);
      return;
    case 'drop':
      outcomes.dropped(record, error.code);
      return;
    case 'stop': {
      const { topic, partition } = record.partition;
      throw new PipectlError(
        'step_failed',
        `step ${step} failed on ${topic} partition ${partition} offset ${record.raw.offset}: ${error.message}`,
        { cause: error },
      );
    }
  }
}
