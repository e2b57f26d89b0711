import { expect, test } from 'vitest';
import { createPartitioner, murmur2 } from '../../../src/connections/kafka/partitioner.ts';

// The vectors of Kafka's own test: org.apache.kafka.common.utils.UtilsTest#testMurmur2.
test.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
])('the hash of %s is the one of Java clients', (key, hash) => {
  expect(murmur2(Buffer.from(key))).toBe(hash);
});

test('a partition is never negative, an empty key is a key, and records without a key take turns', () => {
  const partitionOf = createPartitioner();
  expect(partitionOf(Buffer.from('21'))).toBe(-973932308 & 0x7fffffff);
  expect(partitionOf(new Uint8Array(0))).toBe(partitionOf(new Uint8Array(0)));
  const turns = [partitionOf(null), partitionOf(undefined), partitionOf(null)];
  expect(turns).toEqual([turns[0], turns[0]! + 1, turns[0]! + 2]);
});
