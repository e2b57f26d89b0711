import { describe } from 'vitest';
import { kafkaProducerContract } from '../contract/kafka-producer.ts';
import { stackAddress } from '../stack/shared.ts';

describe.each(['kafkajs', 'platformatic'] as const)('producing by %s', (client) => {
  kafkaProducerContract({ connection: () => ({ brokers: stackAddress('kafka'), client }) });
});
