import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { FileSink } from '../../../src/sinks/file/sink.ts';
import { FilePositions } from '../../../src/sinks/file/stored-positions.ts';
import { partitionOf } from '../../contract/sink.ts';
import { sinkPositionsContract } from '../../contract/sink-positions.ts';

describe('the positions of a file sink', () => {
  sinkPositionsContract(async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'pipectl-positions-'));
    const file = path.join(directory, 'rows.ndjson');
    return {
      newSink: async () => new FileSink('file', file, 'pipeline'),
      positions: async () => new FilePositions('file', file, 'pipeline'),
      event: (id, text) => ({ id, text }),
      close: () => rm(directory, { recursive: true }),
    };
  });

  test('a file that is not ours stays as it is: setting positions would let the next run cut it off', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'pipectl-positions-'));
    const file = path.join(directory, 'rows.ndjson');
    await writeFile(file, 'somebody else\n');
    const positions = new FilePositions('file', file, 'pipeline');
    await expect(positions.move([{ partition: partitionOf(0), position: 0 }])).rejects.toMatchObject({
      code: 'sink_file_foreign',
    });
    expect(await readFile(file, 'utf8')).toBe('somebody else\n');
    await new FilePositions('file', path.join(directory, 'own.ndjson'), 'other').move([
      { partition: partitionOf(0), position: 0 },
    ]);
    await expect(
      new FilePositions('file', path.join(directory, 'own.ndjson'), 'pipeline').list(),
    ).rejects.toMatchObject({
      code: 'sink_file_foreign',
    });
    await rm(directory, { recursive: true });
  });
});
