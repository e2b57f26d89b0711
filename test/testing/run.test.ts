import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FileResult } from '../../src/testing/run.ts';
import { Workspace, pipelineOf } from './workspace.ts';
import { cpuMsSince } from '../cpu-time.ts';

let workspace: Workspace;
beforeEach(() => {
  workspace = new Workspace();
});
afterEach(() => workspace.close());

/** What is not as expected, without the places; a file that can't be run fails. */
function differences({ problems, cases }: FileResult): unknown[] {
  expect(problems).toEqual([]);
  return cases.flatMap((result) => result.differences.map(({ path: _, line: __, ...difference }) => difference));
}

const passThrough = pipelineOf('  - filter: true');

describe('a case', () => {
  it('passes where rows, dead letters and counts are as expected', async () => {
    const pipeline = pipelineOf(
      '  - filter: event.qty > 0\n  - set: { total: event.qty * event.price }\n    name: total',
    );
    const tests = `cases:
  - name: all at once
    records:
      - value: { id: 1, qty: 2, price: 5 }
      - value: { id: 2, qty: 0, price: 5 }
      - text: '{"id": 3'
      - value: { id: 4, qty: 1 }
    expect:
      rows: [{ id: 1, total: 10 }]
      filtered: 1
      dropped: 0
      dead_letters:
        - { record: 2, offset: 2, stage: decode, code: json_syntax, message: too early }
        - { record: 3, stage: step:total, code: field_missing, message: event.price }
`;
    expect(differences(await workspace.run(pipeline, tests))).toEqual([]);
  });

  it('fails where a row differs, with the fields that do and the line that expects them', async () => {
    const tests =
      'cases:\n  - name: c\n    events: [{ a: 1, b: { c: [1, 2] } }]\n    expect:\n      rows:\n        - { a: 1, b: { c: [1, 3] }, d: x }\n';
    const result = await workspace.run(passThrough, tests);
    expect(differences(result)).toMatchObject([
      {
        about: 'rows',
        sink: 'stdout',
        item: {
          kind: 'differs',
          index: 0,
          fields: [
            { path: 'b.c[1]', expected: 3, got: 2 },
            { path: 'd', expected: 'x' },
          ],
        },
      },
    ]);
    expect(result.cases[0]).toMatchObject({ line: 2, column: 5 });
    expect(result.cases[0]?.differences[0]?.line).toBe(6);
  });

  it.for([
    ['a row that is missing', 'rows: [{ a: 1 }, { a: 2 }]', { kind: 'missing', index: 1, expected: { a: 2 } }],
    ['a row too many', 'rows: []', { kind: 'unexpected', index: 0, got: { a: 1, b: 2 } }],
    [
      'a field too many under exact',
      'exact: true, rows: [{ a: 1 }]',
      { kind: 'differs', fields: [{ path: 'b', got: 2 }] },
    ],
  ] as const)('fails for %s', async ([, expectation, item]) => {
    const tests = `cases: [{ name: c, events: [{ a: 1, b: 2 }], expect: { ${expectation} } }]\n`;
    expect(differences(await workspace.run(passThrough, tests))).toMatchObject([{ about: 'rows', item }]);
  });

  it('fails for a dead letter nobody expected, and for one that did not come', async () => {
    const tests = `cases:
  - { name: unexpected, records: [{ text: '{' }], expect: {} }
  - { name: missing, events: [1], expect: { dead_letters: [{ code: json_syntax }] } }
  - { name: other, records: [{ text: '{' }], expect: { dead_letters: [{ code: json_syntax, message: too deep }] } }
`;
    expect(differences(await workspace.run(passThrough, tests))).toMatchObject([
      { about: 'dead_letters', item: { kind: 'unexpected', got: { record: 0, stage: 'decode', code: 'json_syntax' } } },
      { about: 'dead_letters', item: { kind: 'missing', expected: { code: 'json_syntax' } } },
      { about: 'dead_letters', item: { kind: 'differs', fields: [{ path: 'message', expected: 'too deep' }] } },
    ]);
  });

  it('fails for another number of filtered or dropped events', async () => {
    const pipeline = pipelineOf('  - filter: event.a > 1\n  - set: { b: event.b + 1 }\n    on_error: drop');
    const tests = 'cases: [{ name: c, events: [{ a: 1 }, { a: 2 }], expect: { filtered: 2, dropped: 3 } }]\n';
    expect(differences(await workspace.run(pipeline, tests))).toEqual([
      { about: 'filtered', expected: 2, got: 1 },
      { about: 'dropped', expected: 3, got: 1 },
    ]);
  });

  it('fails where the pipeline stops by itself, with its reason', async () => {
    const pipeline = pipelineOf('  - set: { b: event.b + 1 }\n    on_error: stop');
    const tests = 'cases: [{ name: c, events: [{ a: 1 }], expect: { rows: [] } }]\n';
    expect(differences(await workspace.run(pipeline, tests))).toMatchObject([
      { about: 'stopped', message: expect.stringContaining('event.b is missing') as string },
    ]);
  });

  it('routes rows to sinks by their names, and leaves sinks alone that are not named', async () => {
    const sinks = '[ { stdout: {}, name: big, when: event.n > 5 }, { discard: {}, name: rest, when: otherwise } ]';
    const pipeline = pipelineOf('  - filter: true', sinks);
    const tests = `cases:
  - { name: both, events: [{ n: 1 }, { n: 9 }], expect: { rows: { big: [{ n: 9 }], rest: [{ n: 1 }] } } }
  - { name: one, events: [{ n: 1 }, { n: 9 }], expect: { rows: { rest: [{ n: 1 }] } } }
`;
    expect(differences(await workspace.run(pipeline, tests))).toEqual([]);
  });

  it('gives a record its key, topic, partition, offset, timestamp and headers', async () => {
    const pipeline = pipelineOf(
      '  - map: { k: key, t: meta.topic, p: meta.partition, o: meta.offset, at: meta.timestamp, h: meta.headers.trace }',
    );
    const tests = `now: 2026-01-01T00:00:00Z
cases:
  - name: c
    records:
      - { value: 0, key: a, partition: 3, offset: 41, timestamp: '2026-01-01T01:00:00+02:00', headers: { trace: x } }
      - { value: 0, partition: 3, topic: others, headers: { trace: y } }
      - { advance: 1500ms }
      - { value: 0, key: { id: 1 }, partition: 3, headers: { trace: z } }
    expect:
      rows:
        - { k: a, t: orders, p: 3, o: 41, at: '2025-12-31T23:00:00Z', h: x }
        - { k: null, t: others, p: 3, o: 0, at: '2026-01-01T00:00:00Z', h: y }
        - { k: '{"id":1}', t: orders, p: 3, o: 42, at: '2026-01-01T00:00:01.5Z', h: z }
`;
    expect(differences(await workspace.run(pipeline, tests))).toEqual([]);
  });

  it('writes a tombstone for null, and bytes for base64', async () => {
    const pipeline = pipelineOf('  - map: { v: event }');
    const tests = `cases: [{ name: c, records: [{ value: null }, { base64: eyJhIjoxfQ== }], expect: { rows: [{ v: null }, { v: { a: 1 } }] } }]\n`;
    expect(differences(await workspace.run(pipeline, tests))).toEqual([]);
  });

  it('keeps integers exact that YAML would round', async () => {
    const tests =
      'cases: [{ name: c, events: [{ id: 9007199254740993 }], expect: { rows: [{ id: 9007199254740992 }] } }]\n';
    expect(differences(await workspace.run(passThrough, tests))).toMatchObject([
      { item: { fields: [{ path: 'id', expected: 9007199254740992n, got: 9007199254740993n }] } },
    ]);
  });

  it('reads CSV through the codec of the source: values are texts', async () => {
    const pipeline = 'source: { file: { path: in.csv } }\nsinks: [ { stdout: {} } ]\n';
    const tests = `cases:
  - name: c
    events: [{ id: 7, note: 'a, "b"' }]
    expect: { exact: true, rows: [{ id: '7', note: 'a, "b"' }] }
`;
    expect(differences(await workspace.run(pipeline, tests))).toEqual([]);
  });

  it('begins with nothing: another case, another offset and another clock', async () => {
    const pipeline = pipelineOf('  - map: { o: meta.offset, at: meta.timestamp }');
    const one = 'records: [{ advance: 1h }, { value: 1 }], expect: { rows: [{ o: 0, at: "2030-01-01T01:00:00Z" }] }';
    const tests = `cases: [{ name: a, ${one} }, { name: b, ${one} }]\n`;
    expect(differences(await workspace.run(pipeline, tests))).toEqual([]);
  });

  it('takes vars and environment variables of the file and of the case, and no others', async () => {
    process.env.PIPECTL_TEST_OUTSIDE = 'outside';
    const vars = "vars: { min: 1, from: '${PIPECTL_TEST_OUTSIDE:-none}', text: a }\n";
    const pipeline = pipelineOf('  - map: { min: vars.min, from: vars.from, text: vars.text }', undefined, vars);
    const tests = `vars: { min: 2 }
cases:
  - { name: of the file, events: [0], expect: { rows: [{ min: 2, from: none, text: a }] } }
  - { name: of the case, events: [0], vars: { min: 3, text: '\${HOME}' }, env: { PIPECTL_TEST_OUTSIDE: inside }, expect: { rows: [{ min: 3, from: inside, text: '\${HOME}' }] } }
`;
    try {
      expect(differences(await workspace.run(pipeline, tests))).toEqual([]);
    } finally {
      delete process.env.PIPECTL_TEST_OUTSIDE;
    }
  });

  it('answers lookups from the rows of the file and of the case', async () => {
    const lookups = 'lookups: { customers: { file: { path: not-there.csv, key: id } } }\n';
    const pipeline = pipelineOf('  - enrich: { from: customers, on: event.c, into: who }', undefined, lookups);
    const tests = `lookups: { customers: { 1: { name: Ann } } }
cases:
  - { name: of the file, events: [{ c: 1 }, { c: 2 }], expect: { rows: [{ who: { name: Ann } }, { who: null }] } }
  - { name: of the case, events: [{ c: 1 }], lookups: { customers: { 1: { name: Bo } } }, expect: { rows: [{ who: { name: Bo } }] } }
`;
    expect(differences(await workspace.run(pipeline, tests))).toEqual([]);
  });

  it('is quick: 300 cases, each with a plan of its own, take less than three seconds of the processor', async () => {
    const one = (i: number) => `  - { name: case ${i}, events: [{ a: ${i} }], expect: { rows: [{ a: ${i} }] } }\n`;
    const started = process.threadCpuUsage();
    const result = await workspace.run(
      passThrough,
      `cases:\n${Array.from({ length: 300 }, (_, i) => one(i)).join('')}`,
    );
    expect(differences(result)).toEqual([]);
    expect(result.cases).toHaveLength(300);
    expect(cpuMsSince(started)).toBeLessThan(3000);
  });
});
