import { expect, it } from 'vitest';
import type { HeaderValue } from '../../../src/engine/ports.ts';
import { readDeadLetter } from '../../../src/operations/dead-letters/view.ts';

const queued = (headers: Record<string, HeaderValue>) => ({
  place: { queue: 'dlq', partition: 1, offset: '9' },
  timestampMs: 1000,
  key: null,
  value: Buffer.from('{}'),
  headers,
});
const bigEndian = (bytes: 4 | 8, value: number): Buffer => {
  const buffer = Buffer.alloc(bytes);
  if (bytes === 4) buffer.writeInt32BE(value);
  else buffer.writeBigInt64BE(BigInt(value));
  return buffer;
};

it("reads Kafka Connect's headers", () => {
  const view = readDeadLetter(
    queued({
      '__connect.errors.topic': Buffer.from('orders'),
      '__connect.errors.partition': Buffer.from('2'),
      '__connect.errors.offset': Buffer.from('9007199254740993'),
      '__connect.errors.connector.name': Buffer.from('jdbc-sink'),
      '__connect.errors.stage': Buffer.from('VALUE_CONVERTER'),
      '__connect.errors.exception.class.name': Buffer.from('org.apache.kafka.connect.errors.DataException'),
      '__connect.errors.exception.message': Buffer.from('bad\nvalue'),
      kept: Buffer.from('yes'),
    }),
  );
  expect(view).toMatchObject({
    writer: 'connect',
    pipeline: 'jdbc-sink',
    stage: 'VALUE_CONVERTER',
    code: 'org.apache.kafka.connect.errors.DataException',
    message: 'bad value',
    // Connect gives a letter the timestamp of its record.
    source: { topic: 'orders', partition: 2, offset: '9007199254740993', timestampMs: 1000 },
    failedAtMs: 1000,
  });
  expect(Object.keys(view.headers)).toEqual(['kept']);
});

it("reads Spring's headers, whose numbers are big-endian bytes", () => {
  const view = readDeadLetter(
    queued({
      'kafka_dlt-original-topic': Buffer.from('orders'),
      'kafka_dlt-original-partition': bigEndian(4, 7),
      'kafka_dlt-original-offset': bigEndian(8, 123_456_789_012),
      'kafka_dlt-original-timestamp': bigEndian(8, 1_700_000_000_000),
      'kafka_dlt-original-consumer-group': Buffer.from('billing'),
      'kafka_dlt-exception-fqcn': Buffer.from('ListenerExecutionFailedException'),
      'kafka_dlt-exception-cause-fqcn': Buffer.from('IllegalStateException'),
      'kafka_dlt-exception-message': Buffer.from('Listener failed'),
    }),
  );
  expect(view).toMatchObject({
    writer: 'spring',
    stage: 'billing',
    code: 'IllegalStateException',
    message: 'Listener failed',
    source: { topic: 'orders', partition: 7, offset: '123456789012', timestampMs: 1_700_000_000_000 },
  });
});

it('what a header does not hold in the expected form is unknown, never an error', () => {
  expect(readDeadLetter(queued({ 'kafka_dlt-original-partition': Buffer.from('seven') })).source.partition).toBeNull();
  expect(
    readDeadLetter(queued({ 'pipectl-dlq-id': 'x', 'pipectl-failed-at': 'never', 'pipectl-attempts': 'many' })),
  ).toMatchObject({
    attempts: null,
    failedAtMs: 1000,
  });
});

it('a record without any known header is still shown, with its headers', () => {
  const view = readDeadLetter(queued({ a: 'b' }));
  expect(view).toMatchObject({ writer: 'unknown', stage: null, code: null, headers: { a: 'b' } });
});

it('the id of a letter of another program is its place in the queue, and no other has it', () => {
  const id = (change: Partial<ReturnType<typeof queued>['place']>) => {
    const one = queued({ '__connect.errors.topic': 'orders' });
    return readDeadLetter({ ...one, place: { ...one.place, ...change } }).id;
  };
  expect(id({})).toMatch(/^[0-9a-f]{64}$/);
  expect(id({})).toBe(id({}));
  const others = [id({}), id({ queue: 'other' }), id({ partition: 2 }), id({ offset: '10' })];
  expect(new Set(others).size).toBe(4);
  expect(readDeadLetter(queued({})).id).toBe(id({}));
});

it('a record that was sent back and died again elsewhere tells how often', () => {
  const headers = {
    '__connect.errors.topic': 'orders',
    'pipectl-replay-count': '2',
    'pipectl-replay-of': 'a1',
    own: 'x',
  };
  const view = readDeadLetter(queued(headers));
  expect(view).toMatchObject({ writer: 'connect', replayCount: 2, attempts: 3, headers: { own: 'x' } });
  expect(Object.keys(view.headers)).toEqual(['own']);
});
