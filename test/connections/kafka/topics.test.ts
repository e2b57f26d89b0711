import { expect, test } from 'vitest';
import { readConnection } from '../../../src/connections/kafka/connection.ts';
import type { KafkaAdmin } from '../../../src/connections/kafka/admin.ts';
import { nearTopics, readSelection, topicReaders, type TopicSelection } from '../../../src/connections/kafka/topics.ts';

test('near names are those that share most of their letters, best first', () => {
  const topics = ['shop.orders.placed.v1', 'shop.orders.placed.v2', 'payments', 'shop.order.placed.v1'];
  expect(nearTopics('shop.order.placd.v1', topics)[0]).toBe('shop.order.placed.v1');
  expect(nearTopics('shop.order.placd.v1', topics)).not.toContain('payments');
});

test('topics are a list, one name, or a regular expression between slashes', () => {
  expect(readSelection(['a', 'b'])).toEqual(['a', 'b']);
  expect(readSelection('a')).toEqual(['a']);
  expect(readSelection('/^shop\\./')).toEqual(/^shop\./u);
  expect(readSelection('/(/')).toBeUndefined();
});

test('brokers are a list or a text with commas, and 9092 is the port where none is given', () => {
  expect(readConnection({ brokers: 'a:1, b' }).brokers).toEqual(['a:1', 'b:9092']);
  expect(readConnection({ brokers: ['c:3'] }).brokers).toEqual(['c:3']);
  expect(readConnection({}).brokers).toEqual(['localhost:9092']);
});

test('a port that can not be one is told at once', () => {
  expect(() => readConnection({ brokers: 'a:99999' })).toThrow(/a:99999.*65535/);
});

test('each topic is of the source that reads it, and of no second one', async () => {
  const there = ['shop.orders', 'shop.payments', 'other'];
  const admin = {
    topics: () => Promise.resolve(there),
    describeTopics: (names: readonly string[]) =>
      Promise.resolve(new Map(names.filter((name) => there.includes(name)).map((name) => [name, {}]))),
  } as unknown as KafkaAdmin;
  const reader = (source: string, topics: TopicSelection) => ({ source, topics });
  const orders = reader('orders', ['shop.orders']);
  const payments = reader('payments', /payments$/u);
  expect(await topicReaders(admin, [orders, payments])).toEqual(
    new Map([
      ['shop.orders', orders],
      ['shop.payments', payments],
    ]),
  );
  await expect(topicReaders(admin, [orders, reader('shop', /^shop\./u)])).rejects.toMatchObject({
    code: 'source_topics',
    message: 'topic shop.orders is read by two sources, orders and shop',
  });
});
