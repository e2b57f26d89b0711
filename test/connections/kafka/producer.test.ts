import { expect, test } from 'vitest';
import { splitRequests } from '../../../src/connections/kafka/producer.ts';

const message = (bytes: number) => ({ key: null, value: new Uint8Array(bytes), headers: {} });

test('requests stay below the limit, in order, and what no request holds is named', () => {
  const messages = [message(300), message(500), message(2000), message(300), message(10)];
  const { requests, tooLarge } = splitRequests(messages, 1000);
  expect(requests.map((request) => request.map(({ value }) => value?.length))).toEqual([
    [300, 500],
    [300, 10],
  ]);
  expect(tooLarge).toEqual([{ index: 2, bytes: 2040, bytesMax: 1000 }]);
});
