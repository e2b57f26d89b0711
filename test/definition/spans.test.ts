import { describe, expect, it } from 'vitest';
import { parseDocument } from 'yaml';
import { ProblemList } from '../../src/definition/problems.ts';
import { parseYaml } from '../../src/definition/read-yaml.ts';

/** Where in the file the stretch `marked` of the value of `a` is underlined. */
function underlined(text: string, marked: string): string {
  const value: unknown = (parseDocument(text).toJS() as { readonly a: unknown }).a;
  const start = String(value).indexOf(marked);
  const { source } = parseYaml('f.yaml', text);
  const { start: from, end } = source.locate(['a'], 'value', { start, end: start + marked.length });
  expect(start).toBeGreaterThanOrEqual(0);
  return source.text.slice(from, end);
}

describe('a span inside a scalar finds its place in the file', () => {
  it.for([
    ['plain', 'a: event.x + event.y\n', 'event.y', 'event.y'],
    ['plain over two lines', 'a: event.x +\n  event.y\n', 'event.y', 'event.y'],
    ['plain over a blank line', 'a: event.x +\n\n\n  event.y\n', 'event.y', 'event.y'],
    ['single-quoted', "a: 'event.x + event.y'\n", 'event.y', 'event.y'],
    ['single-quoted after doubled quotes', "a: '''it''s'' + event.y'\n", 'event.y', 'event.y'],
    ['single-quoted, the doubled quote itself', "a: 'x''y'\n", "'", "'"],
    ['double-quoted after escapes', 'a: "\\"x\\" + \\u0041\\x41 + \\U0001F600 + event.y"\n', 'event.y', 'event.y'],
    ['double-quoted over a joined line', 'a: "event.x + \\\n  event.y"\n', 'event.y', 'event.y'],
    ['double-quoted over two lines', 'a: "event.x +\n   event.y"\n', 'event.y', 'event.y'],
    ['literal', 'a: |\n  event.x +\n    event.y\n', 'event.y', 'event.y'],
    ['literal with a chomping sign', 'a: |-\n    event.x +\n    event.y\n', 'event.y', 'event.y'],
    ['literal with blank lines', 'a: |\n  event.x +\n\n\n  event.y\n', 'event.y', 'event.y'],
    ['literal with an indentation sign', 'a: |2\n   event.x +\n  event.y\n', 'event.y', 'event.y'],
    ['folded', 'a: >-\n  event.x +\n  event.y\n', 'event.y', 'event.y'],
    ['folded over a blank line', 'a: >-\n  event.x +\n\n  event.y\n', 'event.y', 'event.y'],
    ['with Windows line ends', 'b: 1\r\na: |\r\n  event.x +\r\n  event.y\r\n', 'event.y', 'event.y'],
    ['inside a flow mapping', 'b: { c: 1 }\na: event.x\n', 'x', 'x'],
  ] as const)('%s', ([, text, marked, expected]) => expect(underlined(text, marked)).toBe(expected));
});

const file = `name: orders
steps:
  - filter: event.a
    name: paid
  - set:
      total: &t event.qty
      again: *t
sinks:
  - postgres: { table: orders, key: [id] }
  - stdout:
`;

const at = (path: readonly (string | number)[], on?: 'key' | 'value') => {
  const { source } = parseYaml('f.yaml', file);
  const problems = new ProblemList(source);
  problems.at(path, 'value_wrong', 'x', on === undefined ? {} : { on });
  const [problem] = problems.sorted();
  return `${problem?.line}:${problem?.column}-${problem?.endColumn}`;
};

describe('a path finds its place', () => {
  it.for([
    [['name'], 'value', '1:7-13'],
    [['name'], 'key', '1:1-5'],
    [['steps', 0, 'filter'], 'value', '3:13-20'],
    [['steps', 0, 'name'], 'key', '4:5-9'],
    [['steps', 1, 'set', 'total'], 'value', '6:17-26'],
    [['sinks', 0, 'postgres', 'key'], 'value', '9:37-41'],
    [['sinks', 0, 'postgres', 'key', 0], 'value', '9:38-40'],
    [['sinks', 0, 'postgres'], 'value', '9:15-43'],
  ] as const)('%j %s', ([path, on, place]) => expect(at(path, on)).toBe(place));

  it('a block of several lines is pointed at by its key', () => expect(at(['steps', 1, 'set'])).toBe('5:5-8'));
  it('an empty value is pointed at by its key', () => expect(at(['sinks', 1, 'stdout'])).toBe('10:5-11'));
  it('what is not there is pointed at by what should hold it', () => {
    expect(at(['sinks', 0, 'postgres', 'table', 'x'])).toBe('9:17-22');
    expect(at(['sinks', 0, 'postgres', 'mode'])).toBe('9:5-13');
    expect(at(['batch', 'every'])).toBe('1:1-1');
  });
});

describe('a list of problems', () => {
  it('keeps the first error of a place, and lets an error go before a warning', () => {
    const problems = new ProblemList(parseYaml('f.yaml', file).source);
    problems.at(['name'], 'value_wrong', 'a warning', { severity: 'warning' });
    problems.at(['name'], 'value_wrong', 'the first');
    problems.at(['name'], 'value_wrong', 'the second');
    expect(problems.sorted().map(({ message }) => message)).toEqual(['the first']);
  });

  it('is sorted by place', () => {
    const problems = new ProblemList(parseYaml('f.yaml', file).source);
    for (const path of [['sinks', 0, 'postgres'], ['name'], ['steps', 0, 'filter']])
      problems.at(path, 'value_wrong', 'x');
    expect(problems.sorted().map(({ line }) => line)).toEqual([1, 3, 9]);
  });
});
