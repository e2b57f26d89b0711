import { expect, test } from 'vitest';
import { readConnection } from '../../../src/connections/kafka/connection.ts';
import { nearTopics, readSelection } from '../../../src/connections/kafka/topics.ts';

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
