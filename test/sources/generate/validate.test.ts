import { expect, it } from 'vitest';
import { loadPipeline } from '../../../src/definition/load.ts';
import { planPipeline } from '../../../src/plan/index.ts';

/** What `validate` says of a generator with these options, the first of which stands on line 3. */
async function problemsOf(...options: readonly string[]): Promise<string[]> {
  const lines = ['source:', '  generate:', ...options.map((line) => `    ${line}`), 'sinks: [ { stdout: {} } ]', ''];
  const readFile = (path: string) => (path.endsWith('p.yaml') ? lines.join('\n') : expect.unreachable());
  const loaded = await loadPipeline('p.yaml', { env: {}, mode: 'validate', readFile });
  await planPipeline(loaded);
  return loaded.problems.sorted().map(({ line, column, code, message }) => `${line}:${column} ${code} ${message}`);
}

it('validate accepts every generator, nested ones too', async () => {
  const field = '{ object: { a: { list: { of: { object: { b: { choice: [1, two] }, c: index } } } } } }';
  expect(await problemsOf('rate: 5/m', 'key: event.a.a[0].b', `event: { a: ${field} }`)).toEqual([]);
});

it.for([
  [['event: { id: seqence }'], '3:18 not_a_field seqence is not a name'],
  [['event:', '  qty: { int: { max: 5 } }', '  total: event.qyt * 2'], '5:14 unknown_field event has no field qyt'],
  [
    ['event: { a: { itn: { max: 5 } } }'],
    '3:19 key_unknown source.generate.event.a.itn is unknown; did you mean "int"?',
  ],
  [
    ['event: { a: { int: { max: 1 }, null_ratio: 20 } }'],
    '3:48 value_wrong source.generate.event.a.null_ratio must be at most 1',
  ],
  [
    ['event: { a: { time: { jitter: 5 } } }'],
    '3:35 unit_missing source.generate.event.a.time.jitter is 5, but a duration needs a unit',
  ],
  [
    ['event: { a: { object: { b: { object: { c: { itn: {} } } } } } }'],
    '3:49 key_unknown itn is unknown here; did you mean "int"?',
  ],
  [['event: { a: { object: { b: { int: { min: 2, max: 1 } } } } }'], '3:54 value_wrong max 1 is below min 2'],
  [['rate: 100', 'event: { a: sequence }'], '3:11 unit_missing source.generate.rate is 100, but a rate needs a unit'],
  [['rate: 0/s', 'event: { a: sequence }'], '3:11 value_wrong rate is 0, so no event ever comes'],
  [
    ['clock: { from: 2026-13-01T00:00:00Z, every: 1s }', 'event: { a: time }'],
    '3:20 value_wrong 2026-13-01T00:00:00Z is no time of the calendar',
  ],
  [['event: {}'], '3:12 value_wrong source.generate.event is empty'],
] as const)('validate answers %s at its place', async ([options, problem]) => {
  const problems = await problemsOf(...options);
  expect(problems).toHaveLength(1);
  expect(problems[0]!.startsWith(problem), problems[0]).toBe(true);
});
