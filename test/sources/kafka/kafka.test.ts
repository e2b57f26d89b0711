import type { Static } from 'typebox';
import { expect, test } from 'vitest';
import type { BuildContext } from '../../../src/declaration/component.ts';
import { kafkaSource } from '../../../src/sources/kafka/index.ts';

type Options = Static<typeof kafkaSource.options>;

function problemsOf(given: object): [string, string][] {
  const problems: [string, string][] = [];
  const context = {
    problem: (path: readonly unknown[], code: string) => problems.push([path.join('.'), code]),
  } as unknown as BuildContext;
  kafkaSource.check?.({ start: 'earliest', ...given } as Options, context);
  return problems;
}

test.each([
  { topic: 'orders' },
  { topics: ['orders', 'payments'] },
  { topics: '/^shop\\./' },
  { topic: 'orders', start: 'latest' },
  { topic: 'orders', start: '2026-11-01' },
  { topic: 'orders', start: '2026-11-01T08:00:00+01:00' },
])('%j is a source', (given) => {
  expect(problemsOf(given)).toEqual([]);
});

test.each([
  [{}, '', 'source_topics'],
  [{ topic: 'orders', topics: ['payments'] }, 'topics', 'source_topics'],
  [{ topics: '/(/' }, 'topics', 'source_topics'],
  [{ topic: 'orders', start: 'yesterday' }, 'start', 'source_start'],
  [{ topic: 'orders', start: '2026-11-01T08:00:00' }, 'start', 'source_start'],
  [{ topic: 'orders', start: '2026-13-01' }, 'start', 'source_start'],
])('%j is refused at %j with %s', (given, path, code) => {
  expect(problemsOf(given)).toEqual([[path, code]]);
});

test('values are read as JSON', async () => {
  const codec = await kafkaSource.codec({ topic: 'orders' } as Options);
  expect(codec.decode(Buffer.from('{"id":1}'))).toEqual({ id: 1 });
});
