import { describe, expect, it } from 'vitest';
import { docsSubjects, docsText } from '../../src/cli/docs-text.ts';
import { components } from '../../src/definition/components.ts';
import { errorTable } from '../../src/errors.ts';
import { functions } from '../../src/expressions/functions.ts';

const docs = (subject?: string, name?: string): string => docsText(subject, name, 100);
const all = Object.values(components).flat() as readonly {
  readonly kind: string;
  readonly name: string;
  readonly summary: string;
}[];

/** One line a sentence. */
const unwrapped = (text: string): string => text.replaceAll(/\s+/g, ' ');

describe('pipectl docs', () => {
  it('lists every component by its kind, with its summary', () => {
    const text = docs();
    for (const { kind, name, summary } of all) {
      expect(text).toContain(`\n  ${kind}.${name} `);
      expect(unwrapped(text)).toContain(summary);
    }
    expect(text).toMatch(/^SINKS$/m);
  });

  it('of a component tells each option with type, default, need and description, the example and the delivery', () => {
    const text = docs('sink.postgres');
    expect(text).toMatch(/^ {2}table {2}\(text, required\)\n {6}The table/m);
    expect(text).toMatch(/^ {2}mode {2}\(upsert \| append, default upsert\)$/m);
    expect(text).toMatch(/^ {2}guard\.schema {2}\(text, default pipectl\)$/m);
    expect(text).toContain('\nEXAMPLE\n  postgres: { connection: serving, table: orders, key: [id] }\n');
    expect(unwrapped(text)).toContain('effectively once: upserted rows and positions are committed in one transaction');
    expect(unwrapped(text)).toContain('the options of connection.postgres: pipectl docs connection.postgres');
    expect(text).not.toMatch(/^ {2}(url|password) /m);
  });

  it.for(docsSubjects())('%s has docs that fit 60 columns', (subject) => {
    const lines = docsText(subject, undefined, 60).split('\n');
    // Signatures, examples and the line of an option stay whole.
    const prose = lines.filter((line) => /^ {6,}\S+ /.test(line));
    expect(Math.max(0, ...prose.map((line) => line.length))).toBeLessThanOrEqual(60);
    expect(lines.length).toBeGreaterThan(3);
  });

  it('of a name that several components have tells all of them', () => {
    const text = docs('postgres');
    expect(text).toMatch(/^sink\.postgres$/m);
    expect(text).toMatch(/^connection\.postgres$/m);
  });

  it('of a step tells what it takes where that is no mapping of options', () => {
    expect(docs('filter')).toContain('filter: expression. The condition');
    expect(docs('step.drop')).toContain('drop: list of text.');
    expect(docs('map')).toContain('map: mapping of names to expression.');
  });

  it('asks what was meant where there is no such component', () => {
    for (const [word, meant] of [
      ['postgers', 'postgres'],
      ['sink.postgers', 'sink.postgres'],
      ['fliter', 'filter'],
      ['function', 'functions'],
    ] as const)
      expect(() => docs(word)).toThrow(
        expect.objectContaining({
          code: 'component_unknown',
          exitCode: 2,
          message: expect.stringContaining(`did you mean "${meant}"?`) as string,
        }),
      );
    expect(() => docs('mongodb')).toThrow(/^there are no docs of mongodb$/);
    expect(() => docs('sink.postgres', 'table')).toThrow(expect.objectContaining({ exitCode: 2 }));
  });

  it('functions lists every function with its signature', () => {
    const text = docs('functions');
    for (const name of functions.keys()) expect(text).toContain(`\n  ${name}(`);
    expect(text).toContain('  substring(text: string, start: int, end?: int) -> string\n');
    expect(text).toContain('  extract(text: string, pattern: string) -> string or null\n');
    expect(text).toContain('  min(first: any, others: any...) -> any\n');
    expect(unwrapped(text)).toContain("meta.timestamp The record's own timestamp. (timestamp)");
  });

  it('functions NAME shows an example, of what only looks like a function too', () => {
    expect(docs('functions', 'lower')).toContain('lower("Madrid") is "madrid"');
    expect(docs('functions', 'map')).toContain('[1, 2].map(x, x * 10) is [10, 20]');
    expect(() => docs('functions', 'lowre')).toThrow(expect.objectContaining({ hint: 'did you mean lower?' }));
  });

  it('errors lists every code, and errors CODE the way out', () => {
    const text = docs('errors');
    for (const code of Object.keys(errorTable)) expect(text).toContain(`  ${code} `);
    expect(unwrapped(docs('errors', 'data_loss'))).toContain(errorTable.data_loss.hint);
    expect(() => docs('errors', 'data_los')).toThrow(expect.objectContaining({ hint: 'did you mean data_loss?' }));
  });

  it('pipeline tells the keys of a file and what stands beside components', () => {
    const text = docs('pipeline');
    for (const key of ['source', 'time.field', 'dlq.topic', 'kafka'])
      expect(text).toMatch(new RegExp(`^ {2}${RegExp.escape(key)} {2}\\(`, 'm'));
    expect(text).toMatch(/^BESIDE A SINK\n {2}name/m);
  });
});
