/**
 * Every word `explain` may say about delivery, and the test that shows it is true: by what a sink does, not by what the plan
 * says. A limit that is new has no proof here and fails; so does a proof whose test is gone.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it, test } from 'vitest';
import type { Delivery } from '../../src/declaration/component.ts';
import { sinks as declarations } from '../../src/sinks/index.ts';
import { explained } from './explained.ts';

/** A file below `test` and the title of a test in it. */
interface Proof {
  readonly file: string;
  readonly title: string;
}
const proof = (file: string, title: string): Proof => ({ file, title });

interface Case {
  readonly sink: string;
  /** What stands beside the component, at its indentation. */
  readonly beside?: string;
  readonly source?: string;
  /** Default: the table's key is the key of the record. */
  readonly id?: string;
  readonly verdict: Delivery['verdict'];
  /** Names of `limits` below, in order. */
  readonly limits: readonly (keyof typeof limits)[];
  readonly proofs: readonly Proof[];
}

const limits = {
  order: {
    text: /^order across partitions is not kept/,
    proofs: [
      proof('integration/postgres-order.test.ts', 'the row that is written later wins, whatever is newer'),
      proof('integration/postgres-sink.test.ts', 'offsets are compared in one partition only'),
    ],
  },
  place: {
    text: /^`version:` needs a place/,
    proofs: [proof('integration/postgres-sink.test.ts', 'version: without a place to keep it is an error')],
  },
  again: {
    text: /^without a place for the version .* a record that is processed again out of order/,
    proofs: [proof('integration/postgres-order.test.ts', 'a record that is processed again out of order replaces')],
  },
  lettersThenRows: {
    text: /^while it is away its rows become dead letters, but its position can not move/,
    proofs: [proof('integration/run-trouble.test.ts', 'retry then: dlq makes dead letters of what a locked table')],
  },
  letters: {
    text: /^while it is away its rows become dead letters, and the position moves past them/,
    proofs: [proof('simulation/trouble.test.ts', 'of a sink without positions moves the group past them')],
  },
} as const satisfies Record<string, { text: RegExp; proofs: readonly Proof[] }>;

const killed = proof('integration/run-crashes.test.ts', 'killed -9 ten times while producing goes on');
const newerWins = proof('integration/postgres-order.test.ts', 'the newer row wins, though its offset is far lower');
const table = '{ connection: serving, table: orders, key: [id]';
const inFile = proof('sinks/file/sink.test.ts', 'rows that were written and not committed are gone for the next owner');

const cases: Readonly<Record<string, Case>> = {
  'upsert into a table that is there': {
    sink: `postgres: ${table} }`,
    verdict: 'effectively once',
    limits: ['again'],
    proofs: [killed],
  },
  'upsert into a table of its own': {
    sink: `postgres: ${table}, create: true }`,
    verdict: 'effectively once',
    limits: [],
    proofs: [killed, proof('integration/backfill.test.ts', 'beside a live pipeline')],
  },
  'upsert by another key than the record has': {
    sink: `postgres: ${table}, create: true }`,
    id: 'event.id',
    verdict: 'effectively once',
    limits: ['order'],
    proofs: [killed],
  },
  'upsert from two topics': {
    sink: `postgres: ${table}, create: true }`,
    source: 'kafka: { topics: [orders, returns] }',
    verdict: 'effectively once',
    limits: ['order'],
    proofs: [proof('integration/run-sources.test.ts', 'two topics with forms and times of their own')],
  },
  'upsert with `version:` and nowhere for it': {
    sink: `postgres: ${table} }`,
    beside: 'version: event.at',
    id: 'event.id',
    verdict: 'effectively once',
    limits: ['place'],
    proofs: [],
  },
  'upsert with `version:` in a column': {
    sink: `postgres: ${table}, create: true }`,
    beside: 'version: event.at',
    id: 'event.id',
    verdict: 'effectively once',
    limits: [],
    proofs: [newerWins, proof('integration/run-scenarios.test.ts', 'partitions raised from 8 to 16 under load')],
  },
  'upsert with `version_column`': {
    sink: `postgres: ${table}, version_column: at }`,
    id: 'event.id',
    verdict: 'effectively once',
    limits: [],
    proofs: [newerWins, proof('integration/postgres-sink.test.ts', 'the version column decides where it is named')],
  },
  'upsert with versions beside the table': {
    sink: `postgres: ${table}, guard: { versions: side } }`,
    beside: 'version: event.at',
    id: 'event.id',
    verdict: 'effectively once',
    limits: [],
    proofs: [
      newerWins,
      proof('integration/postgres-side-versions.test.ts', 'keep an older row from replacing a newer'),
    ],
  },
  append: {
    sink: 'postgres: { connection: serving, table: orders, mode: append }',
    id: 'event.id',
    verdict: 'effectively once',
    limits: [],
    proofs: [killed],
  },
  'a table that is not required': {
    sink: `postgres: ${table}, create: true }`,
    beside: 'required: false',
    verdict: 'effectively once',
    limits: [],
    proofs: [proof('integration/run-trouble.test.ts', 'a sink that is not required holds nobody up')],
  },
  'a table whose rows become dead letters while it is away': {
    sink: `postgres: ${table}, create: true }`,
    beside: 'retry: { for: 10m, then: dlq }',
    verdict: 'effectively once',
    limits: ['lettersThenRows'],
    proofs: [proof('simulation/trouble.test.ts', 'then: dlq makes its rows dead letters and goes on')],
  },
  'a table without which the run stops': {
    sink: `postgres: ${table}, create: true }`,
    beside: 'retry: { for: 10m, then: stop }',
    verdict: 'effectively once',
    limits: [],
    proofs: [proof('simulation/trouble.test.ts', 'then: stop ends the run with what it waited for')],
  },
  file: {
    sink: 'file: { path: orders.ndjson }',
    verdict: 'effectively once',
    limits: [],
    proofs: [inFile, proof('sinks/file/sink.test.ts', 'the former one is fenced at its next write')],
  },
  stdout: {
    sink: 'stdout: {}',
    verdict: 'at least once',
    limits: [],
    proofs: [proof('simulation/trouble.test.ts', 'a sink without positions is given again what it had before a crash')],
  },
  'stdout whose rows become dead letters while it is away': {
    sink: 'stdout: {}',
    beside: 'retry: { for: 10m, then: dlq }',
    verdict: 'at least once',
    limits: ['letters'],
    proofs: [],
  },
  discard: {
    sink: 'discard: {}',
    verdict: 'at least once',
    limits: [],
    proofs: [proof('simulation/trouble.test.ts', 'a sink without positions is given again what it had before a crash')],
  },
};

const pipeline = ({ sink, beside, source = 'kafka: { topic: orders }', id = 'key' }: Case): string => `
source:
  ${source}
connections:
  kafka: { kafka: { brokers: 'localhost:9092' } }
  serving: { postgres: { url: 'postgres://localhost/shop' } }
steps:
  - map: { id: ${id}, at: event.at }
sinks:
  - ${sink}${beside === undefined ? '' : `\n    ${beside}`}
  - discard: {}
    name: other
`;

const delivered = async (one: Case): Promise<Delivery> => (await explained(pipeline(one))).sinks[0]!.delivery;

describe('the verdict on', () => {
  it.each(Object.entries(cases))('%s', async (_, one) => {
    const { verdict, limits: said = [] } = await delivered(one);
    expect(verdict).toBe(one.verdict);
    const names = said.map((text) => Object.entries(limits).find(([, limit]) => limit.text.test(text))?.[0] ?? text);
    expect(names).toEqual(one.limits);
  });
});

test('every limit and every kind of sink is among the cases', () => {
  const said = new Set(Object.values(cases).flatMap((one) => one.limits));
  expect([...said].toSorted()).toEqual(Object.keys(limits).toSorted());
  const kinds = new Set(Object.values(cases).map(({ sink }) => sink.split(':')[0]));
  expect([...kinds].toSorted()).toEqual(declarations.map(({ name }) => name).toSorted());
});

test('whatever stands in a file, no limit is said that has no proof', async () => {
  const yes = [true, false];
  const places = ['', ', create: true', ', version_column: at', ', guard: { versions: side }'];
  for (const place of places)
    for (const versioned of yes)
      for (const append of yes)
        for (const id of ['key', 'event.id']) {
          if (append && (versioned || place.includes('version'))) continue;
          const options = append ? '{ connection: serving, table: orders, mode: append' : table;
          const beside = versioned ? 'version: event.at\n    retry: { for: 1m, then: dlq }' : 'required: false';
          const one: Case = {
            sink: `postgres: ${options}${place} }`,
            beside,
            id,
            verdict: 'effectively once',
            limits: [],
            proofs: [],
          };
          const delivery = await delivered(one).catch(() => null);
          for (const text of delivery?.limits ?? [])
            expect(
              Object.values(limits).some((limit) => limit.text.test(text)),
              text,
            ).toBe(true);
        }
});

test.each([
  ...Object.entries(cases).flatMap(([name, one]) => one.proofs.map((found) => [name, found] as const)),
  ...Object.entries(limits).flatMap(([name, limit]) => limit.proofs.map((found) => [name, found] as const)),
])('the proof of "%s" is there: %o', (_, { file, title }) => {
  const lines = readFileSync(path.resolve(import.meta.dirname, '..', file), 'utf8').split('\n');
  // Within quotes, or as what `describe.each` fills in.
  expect(lines.some((line) => /['"`]/.test(line.slice(0, Math.max(0, line.indexOf(title)))))).toBe(true);
});
