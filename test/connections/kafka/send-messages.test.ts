import { describe, expect, test } from 'vitest';
import type { Broker, Cluster } from '../../../src/connections/kafka/kafkajs.ts';
import { createSendMessages, type Producing } from '../../../src/connections/kafka/send-messages.ts';

type Request = Parameters<Broker['produce']>[0];

/** Two partitions, 0 at broker 1 and 1 at broker 2, until a broker's answer changes that. */
function twoBrokers(answer: (nodeId: number, leaders: number[], attempt: number) => Error | undefined) {
  const leaders = [1, 2];
  const log: string[][] = [[], []];
  const sequences = [0, 0];
  const attempts = new Map<number, number>();
  const brokers = new Map(
    [1, 2].map((nodeId) => {
      const produce = async ({ topicData }: Request) => {
        const attempt = (attempts.get(nodeId) ?? 0) + 1;
        attempts.set(nodeId, attempt);
        const partitions = topicData[0]!.partitions as readonly {
          partition: number;
          firstSequence: number;
          messages: readonly { value: string }[];
        }[];
        const error = answer(nodeId, leaders, attempt);
        if (error !== undefined) throw error;
        for (const { partition, firstSequence, messages } of partitions) {
          expect([partition, leaders[partition], firstSequence]).toEqual([partition, nodeId, log[partition]!.length]);
          log[partition]!.push(...messages.map(({ value }) => value));
        }
        return { topics: [{ topicName: 'orders', partitions }] };
      };
      return [nodeId, { nodeId, produce } as unknown as Broker];
    }),
  );
  const cluster = {
    isConnected: () => true,
    refreshMetadata: async () => {},
    refreshMetadataIfNecessary: async () => {},
    addMultipleTargetTopics: async () => {},
    removeBroker: () => {},
    findTopicPartitionMetadata: () => leaders.map((_, partitionId) => ({ partitionId })),
    findLeaderForPartitions: (_: string, [partition]: readonly number[]) => ({ [leaders[partition!]!]: [partition!] }),
    findBroker: async ({ nodeId }: { nodeId: number }) => brokers.get(nodeId)!,
  } satisfies Partial<Cluster>;
  const producing: Producing = {
    cluster: cluster as unknown as Cluster,
    logger: { error: () => {} },
    partitioner: ({ message }) => (message as { partition: number }).partition,
    staleMetadata: (error) => (error as { type?: string }).type === 'NOT_LEADER_OR_FOLLOWER',
    retrier: async (call) => {
      for (let tries = 0; ; tries++) {
        let final: unknown;
        try {
          const result = await call((error) => (final = error), tries, 0);
          if (final === undefined) return result;
        } catch (error) {
          if (tries === 5) throw error;
        }
        if (final !== undefined) throw final;
      }
    },
    eosManager: {
      acquireBrokerLock: async () => {},
      releaseBrokerLock: async () => {},
      isTransactional: () => false,
      getTransactionalId: () => undefined,
      getProducerId: () => 1,
      getProducerEpoch: () => 0,
      addPartitionsToTransaction: async () => {},
      getSequence: (_, partition) => sequences[partition]!,
      updateSequence: (_, partition, by) => void (sequences[partition]! += by),
    },
  };
  const messages = ['a', 'b', 'c', 'd'].map((value, at) => ({ value, partition: at % 2 }));
  const send = () => createSendMessages(producing)({ acks: -1, topicMessages: [{ topic: 'orders', messages }] });
  return { log, attempts, send };
}

const closed = () => Object.assign(new Error('Closed connection'), { name: 'KafkaJSConnectionClosedError' });

describe('a call that is repeated', () => {
  test('writes what has moved to a broker that had already answered', async () => {
    const { log, attempts, send } = twoBrokers((nodeId, leaders) => {
      if (nodeId !== 1) return undefined;
      leaders[0] = 2;
      return closed();
    });
    expect((await send()).map(({ partition }) => partition).toSorted()).toEqual([0, 1]);
    expect(log).toEqual([
      ['a', 'c'],
      ['b', 'd'],
    ]);
    expect([...attempts]).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });

  test('does not write again what is acknowledged and has moved since', async () => {
    const { log, send } = twoBrokers((nodeId, leaders, attempt) => {
      if (nodeId !== 1 || attempt > 1) return undefined;
      leaders[1] = 1;
      return closed();
    });
    await send();
    expect(log).toEqual([
      ['a', 'c'],
      ['b', 'd'],
    ]);
  });

  test('ends with what no repetition mends', async () => {
    const refused = Object.assign(new Error('too large'), { name: 'KafkaJSProtocolError', retriable: false });
    const { attempts, send } = twoBrokers((nodeId) => (nodeId === 1 ? refused : undefined));
    await expect(send()).rejects.toBe(refused);
    expect(attempts.get(1)).toBe(1);
  });
});
