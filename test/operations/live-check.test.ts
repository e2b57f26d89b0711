import { expect, it } from 'vitest';
import { partitionBreach } from '../../src/operations/live-check.ts';

const path = ['source', 'kafka', 'topic'];

it('a topic with fewer partitions than the conventions ask for is a warning at its place, with the command that raises it', () => {
  expect(partitionBreach('orders', 1, 3, path)).toEqual([
    {
      status: 'breach',
      subject: 'topic orders',
      message: expect.stringContaining('topic orders has 1 partition, and `conventions.partitions.min` is 3') as string,
      problem: {
        code: 'topic_partitions',
        severity: 'warning',
        message: expect.stringContaining('1 member can share') as string,
        hint: expect.stringContaining('--alter --topic orders --partitions 3') as string,
        path,
      },
    },
  ]);
});

it('a topic with enough of them is none, and without a convention any number will do', () => {
  expect(partitionBreach('orders', 3, 3, path)).toEqual([]);
  expect(partitionBreach('orders', 1, null, path)).toEqual([]);
});
