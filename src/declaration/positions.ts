/** How an operator's command sees and moves the positions a sink keeps beside its rows. */
import type { Partition } from '../engine/ports.ts';

/** Where a sink stands on one partition, as it is stored. */
export interface StoredPosition extends Omit<Partition, 'source'> {
  /** Next offset to be written; null where nothing was written yet. */
  readonly position: number | null;
  /** Raised by every new owner of the partition. */
  readonly ownerEpoch: number;
  /** How often the sink was rewound: rows of a higher number replace those of a lower. */
  readonly rebuild: number;
  readonly pipelineHash: string | null;
  readonly updatedAtMs: number;
}

export interface PositionTarget {
  readonly partition: Omit<Partition, 'source'>;
  /** Next offset to be written. */
  readonly position: number;
}

/**
 * The positions of one sink of one pipeline, without the sink: no table is looked at and nothing is owned. Each call
 * rejects with `PipectlError`, exit code 3 where the service can't be reached.
 */
export interface SinkPositions {
  /** What is read again is written a second time: rows are added and none is replaced. */
  readonly appends: boolean;
  /** What it keeps beside the positions and `remove` leaves, and why; null where there is nothing else. */
  readonly kept: { readonly subject: string; readonly message: string } | null;
  /** All there are, also those of a log that was replaced by another one of the same name. Empty without any. */
  list(): Promise<readonly StoredPosition[]>;
  /**
   * Sets the positions, all or none. A former owner's write is refused from then on. Where one of them goes back or belongs
   * to another log than before, what is written from here on replaces what was written before (`rebuild`). Positions of
   * other logs under the name of a topic among `targets` are forgotten.
   */
  move(targets: readonly PositionTarget[]): Promise<void>;
  /** Forgets all of them. What was written stays. */
  remove(): Promise<void>;
  /** Never rejects. */
  close(): Promise<void>;
}

/**
 * True where a target goes back, or the name of its topic belonged to another log: what is read then has to win over what
 * is there. Files are told apart by what they hold: a new one under an old name is meant.
 */
export function readsAgain(stored: readonly StoredPosition[], targets: readonly PositionTarget[]): boolean {
  return targets.some(({ partition, position }) =>
    stored.some(
      (one) =>
        one.position !== null &&
        (isSameLog(one, partition)
          ? one.partition === partition.partition && one.position > position
          : isReplaced(one, partition)),
    ),
  );
}

/** `stored` is of a log that another one of the same name has taken the place of. */
export const isReplaced = (stored: StoredPosition, partition: PositionTarget['partition']): boolean =>
  partition.cluster !== 'file' && stored.topic === partition.topic && !isSameLog(stored, partition);

const isSameLog = (stored: StoredPosition, { cluster, topicId }: PositionTarget['partition']): boolean =>
  stored.cluster === cluster && stored.topicId === topicId;
