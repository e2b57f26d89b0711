/** Every command of the runbooks, against a pipeline that has delivered rows and set records aside. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runbookNames } from '../../src/operations/runbook.ts';
import { commandsIn, wordsOf } from '../operations/runbook-commands.ts';
import { stackAddress } from '../stack/shared.ts';
import { Bench, type PipelineFile } from './pipeline.ts';

let bench: Bench;
let pipeline: PipelineFile;

beforeAll(async () => {
  bench = await Bench.open({ brokers: stackAddress('kafka'), url: stackAddress('postgres') });
});
afterAll(() => bench[Symbol.asyncDispose]());

test('a pipeline has delivered a row and set two records aside', async () => {
  const [topic, table] = [await bench.topic(3), await bench.table('id bigint PRIMARY KEY, total numeric')];
  const ahead = JSON.stringify({ id: 2, total: 1, at: '2999-01-01T00:00:00Z' });
  await bench.send(topic, [
    { partition: 0, key: '1', value: JSON.stringify({ id: 1, total: 2.5, at: '2026-11-22T00:00:00Z' }) },
    { partition: 1, key: '2', value: 'broken' },
    { partition: 2, key: '3', value: ahead },
  ]);
  pipeline = await bench.pipeline({
    source: { kafka: { topic } },
    time: { field: 'timestamp(event.at)' },
    steps: [{ map: { id: 'event.id', total: 'event.total' } }],
    sinks: [{ postgres: { connection: 'serving', table, key: ['id'] } }],
  });
  const { code, stderr } = await bench.run(['run', pipeline.path, '--until-end']);
  expect(code, stderr).toBe(0);
});

const commands = [...new Set(runbookNames.flatMap(commandsIn))];

test.each(commands)('%s answers', async (command) => {
  const words = wordsOf(command).slice(1);
  const { code, stdout, stderr } = await bench.run(words.map((word) => (word === 'FILE' ? pipeline.path : word)));
  expect(stdout, stderr).not.toBe('');
  expect(stderr).not.toMatch(/this is a bug/);
  expect(code, `${stdout}${stderr}`).toBe(0);
});
