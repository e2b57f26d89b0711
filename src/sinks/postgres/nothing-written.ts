/** What became of batches of which nothing was sent to the server. */
import type { Partition, SinkBatch, WriteResult } from '../../engine/ports.ts';
import type { Claim } from './rows.ts';

export const nothingWritten: WriteResult = {
  written: 0,
  supersededInBatch: 0,
  skippedOffset: 0,
  skippedVersion: 0,
  rejected: [],
};

/** The table is yet to be created, and no event of the batch tells how. `claims`: default, each partition stands at 0. */
export function withoutTable(
  { records }: SinkBatch,
  key: readonly string[],
  claims?: ReadonlyMap<Partition, Claim>,
): WriteResult {
  const [code, message] =
    key.length === 0
      ? ['sink_event_shape', 'the event has no fields']
      : ['sink_key_missing', `the event has no field for each column of the key: ${key.join(', ')}`];
  const rejected = records
    .filter(({ partition, raw }) => raw.offset >= (claims?.get(partition)!.position ?? 0))
    .map((record) => ({ record, code, message }));
  return { ...nothingWritten, rejected, skippedOffset: records.length - rejected.length };
}
