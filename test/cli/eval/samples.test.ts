import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { planSamples, readEvents } from '../../../src/cli/eval/samples.ts';
import { planFile } from '../../../src/cli/plan-file.ts';

describe('events of a text', () => {
  it.for([
    ['one value', '{"a": 1}', [{ a: 1 }]],
    ['one value over several lines', '{\n  "a": 1\n}\n', [{ a: 1 }]],
    ['a list', '[{"a": 1},\n {"a": 2}]', [{ a: 1 }, { a: 2 }]],
    ['one a line', '{"a": 1}\n\n{"a": 2}\r\n', [{ a: 1 }, { a: 2 }]],
    ['exact integers', '{"a": 9007199254740993}', [{ a: 9007199254740993n }]],
  ] as const)('are read from %s', ([, text, events]) => expect(readEvents(text, 'e')).toEqual(events));

  it('that is no JSON is refused at its line', () => {
    expect(() => readEvents('{"a": 1}\n{"a":\n{"a": 2}', 'e.ndjson')).toThrow(/^e\.ndjson:2 {2}/);
  });
});

describe('events of a pipeline', () => {
  let directory: string;
  let file: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'pipectl-eval-'));
    file = join(directory, 'p.yaml');
    await writeFile(join(directory, 'names.csv'), 'id,name\n1,Ana\n');
    await writeFile(join(directory, 'in.ndjson'), '{"id": 1, "n": 5}\nno JSON\n{"id": 2, "n": 1}\n{"id": 3, "n": 9}\n');
    await writeFile(
      file,
      `source: { file: { path: in.ndjson } }
lookups: { names: { file: { path: names.csv, key: id } } }
steps:
  - filter: event.n > 1
    name: large
  - enrich: { from: names, on: event.id }
    name: names
  - map: { who: event.names.name, twice: event.n * 2 }
    name: shape
sinks: [ { stdout: {} } ]
`,
    );
  });
  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  const sample = async (after: string | undefined, events: readonly unknown[] | null = null, count = 10) => {
    const plan = await planFile(file, []);
    const { scopes, notes } = await planSamples(plan, {}, { after, source: undefined, count, events, newest: false });
    return { events: scopes.map(({ event }) => event), notes };
  };

  it('are those of its source, as they are after a step, and what did not get there is told', async () => {
    expect(await sample('names')).toEqual({
      events: [
        { id: 1, n: 5, names: { id: '1', name: 'Ana' } },
        { id: 3, n: 9, names: null },
      ],
      notes: [
        '1 event was dead in decode: the value is not valid JSON at character 2',
        '1 event was filtered by large',
      ],
    });
  });

  it('go through all steps where none is named, and may come from elsewhere', async () => {
    const { events, notes } = await sample(undefined, [
      { id: 1, n: 2 },
      { id: 7, n: 3 },
    ]);
    expect(events).toEqual([{ who: 'Ana', twice: 4 }]);
    expect(notes).toEqual([expect.stringContaining('1 event was dead in shape: null_operand')]);
  });

  it('are at most as many as were asked for', async () => {
    expect((await sample('large', null, 1)).events).toEqual([{ id: 1, n: 5 }]);
  });

  it('after a step that is not there are refused with the name that was meant', async () => {
    await expect(sample('lagre')).rejects.toMatchObject({
      message: 'p has no step lagre; did you mean large?',
      hint: 'steps: large, names and shape',
    });
  });
});
