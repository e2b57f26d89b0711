/**
 * Letters on their way to the pipeline that runs: the topic `NAME.replay`, which nobody else reads. A record of it is the
 * letter as it lies in the queue, with headers that say who asks and what is known of it.
 */
import type { PipelineDefinition } from '../../definition/pipeline.ts';
import type { DeadLetterRecord } from './record.ts';
import type { LetterState } from './state.ts';
import type { DeadLetterView, QueuedRecord } from './view.ts';

/** Of one call of `dlq replay`. */
export interface ReplayRequest {
  /** Answers in the states carry it. */
  readonly run: string;
  readonly by: string;
  readonly note: string | null;
  /** `path=value`, as they were given. */
  readonly edits: readonly string[];
  /** Tables without versions may be written. */
  readonly isMeant: boolean;
}

const requestHeader = 'pipectl-replay-request';
const stateHeader = 'pipectl-replay-state';

export const replayTopic = ({ prefix, name }: Pick<PipelineDefinition, 'prefix' | 'name'>): string =>
  `${prefix}${name}.replay`;

/** The group in which the members of the pipeline take letters up. */
export const replayGroup = ({ group }: Pick<PipelineDefinition, 'group'>): string => `${group}.replay`;

export function requestRecord(
  { record }: DeadLetterView,
  request: ReplayRequest,
  state: LetterState | undefined,
  timestampMs: number,
): DeadLetterRecord {
  return {
    key: record.key,
    value: record.value,
    // The time of the letter itself is in its headers; retention counts from now.
    timestampMs,
    headers: {
      ...record.headers,
      [requestHeader]: JSON.stringify(request),
      ...(state && { [stateHeader]: JSON.stringify(state) }),
    },
  };
}

/** Undefined for a record that no `dlq replay` has written. */
export function readRequest({ headers }: Pick<QueuedRecord, 'headers'>):
  | {
      readonly request: ReplayRequest;
      readonly state: LetterState | undefined;
    }
  | undefined {
  const json = (name: string): unknown => {
    const header = headers[name];
    return header === undefined
      ? undefined
      : (JSON.parse(Buffer.from(header as Uint8Array).toString('utf8')) as unknown);
  };
  try {
    const request = json(requestHeader) as ReplayRequest | undefined;
    if (typeof request?.run !== 'string' || !Array.isArray(request.edits)) return undefined;
    return { request, state: json(stateHeader) as LetterState | undefined };
  } catch {
    return undefined;
  }
}
