/** What is committed to the file of a file sink: kept in `PATH.pipectl`, replaced as a whole at every commit. */
import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { StoredPosition } from '../../declaration/positions.ts';
import type { Partition } from '../../engine/ports.ts';
import { PipectlError } from '../../errors.ts';

export interface Committed {
  readonly pipeline: string;
  readonly sink: string;
  /** Raised by every new owner. */
  readonly ownerEpoch: number;
  /** Length of the data file that counts; what lies beyond was never committed. */
  readonly bytes: number;
  /** Next offset to be written, by `positionKey`. */
  readonly positions: Readonly<Record<string, number>>;
  /** Names of the topics, by the same keys. Absent in files of older versions. */
  readonly topics?: Readonly<Record<string, string>>;
}

export const committedPath = (dataPath: string): string => `${dataPath}.pipectl`;

/** Names a log for good. */
export const positionKey = ({ cluster, topicId, partition }: Omit<Partition, 'source'>): string =>
  JSON.stringify([cluster, topicId, partition]);

/** The positions in it, with the partitions they belong to. */
export function storedPositions(
  { positions, topics = {}, ownerEpoch }: Committed,
  updatedAtMs: number,
): StoredPosition[] {
  return Object.entries(positions).map(([key, position]) => {
    const [cluster, topicId, partition] = JSON.parse(key) as [string, string, number];
    const topic = topics[key] ?? '';
    return { cluster, topic, topicId, partition, position, ownerEpoch, rebuild: 0, pipelineHash: null, updatedAtMs };
  });
}

/** Null where nothing was committed yet. Throws what reading throws, and for what is not ours. */
export async function readCommitted(dataPath: string): Promise<Committed | null> {
  let text: string;
  try {
    text = await readFile(committedPath(dataPath), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return JSON.parse(text) as Committed;
  } catch (error) {
    throw new PipectlError('sink_file_foreign', `${committedPath(dataPath)} is not what pipectl writes`, {
      cause: error,
    });
  }
}

/** Atomic and durable: after a crash there is the old file or the new one, whole. */
export async function writeCommitted(dataPath: string, committed: Committed): Promise<void> {
  const path = committedPath(dataPath);
  const temporary = `${path}.tmp-${process.pid}`;
  const handle = await open(temporary, 'w', 0o644);
  try {
    await handle.writeFile(JSON.stringify(committed) + '\n');
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}

/** Makes a new name in a directory durable. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
