import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { referencePages } from '../../schemas/reference.ts';
import { Type } from '../../src/declaration/type.ts';
import { components } from '../../src/definition/components.ts';
import { asJsonSchema } from '../../src/definition/json-schema.ts';
import { optionRows, typeWords } from '../../src/definition/reference.ts';

const directory = join(import.meta.dirname, '../../docs/reference');
const pages = referencePages(components);

describe('docs/reference', () => {
  it('is what `npm run schemas` makes of the declarations', () => {
    expect(readdirSync(directory).toSorted()).toEqual([...pages.keys()].toSorted());
    for (const [file, page] of pages) expect(readFileSync(join(directory, file), 'utf8'), file).toBe(page);
  });

  it('has a page for every component', () => {
    for (const { kind, name } of Object.values(components).flat() as readonly { kind: string; name: string }[])
      expect(pages.has(`${kind}.${name}.md`), `${kind}.${name}`).toBe(true);
  });

  it.for([...pages])(
    '%s says in its first line that it is generated, and links to pages that are there',
    ([, page]) => {
      expect(page.split('\n')[0]).toContain('Generated');
      for (const [, target] of page.matchAll(/\]\(([^)#]+\.md)\)/g))
        expect(pages.has(target!) || target === '../errors.md', target).toBe(true);
    },
  );

  it.for([...pages])('%s has tables whose rows have as many cells as their head', ([, page]) => {
    for (const table of page.split(/\n\n/).filter((block) => block.startsWith('| '))) {
      const cells = table
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/(?<!\\)\|/).length);
      expect(new Set(cells).size, table).toBe(1);
    }
  });
});

describe('the rows of a schema', () => {
  it('name what lies inside a mapping too, and say what is required', () => {
    const schema = Type.Object({
      a: Type.String({ description: 'A.' }),
      b: Type.Union([Type.Boolean(), Type.Object({ c: Type.Integer({ default: 3, description: 'C.' }) })], {
        description: 'B.',
      }),
      d: Type.Optional(Type.Array(Type.Union([Type.Literal('x'), Type.Literal('y')]), { description: 'D.' })),
    });
    expect(optionRows(asJsonSchema(schema))).toEqual([
      { name: 'a', type: 'text', required: true, default: null, description: 'A.' },
      { name: 'b', type: 'true | false or mapping', required: true, default: null, description: 'B.' },
      { name: 'b.c', type: 'integer', required: false, default: '3', description: 'C.' },
      { name: 'd', type: 'list of x | y', required: false, default: null, description: 'D.' },
    ]);
  });

  it('say in words what a value may be', () => {
    const words = [Type.Record(Type.String(), Type.Number()), Type.Any(), Type.Null(), Type.Literal(1)].map((schema) =>
      typeWords(asJsonSchema(schema)),
    );
    expect(words).toEqual(['mapping of names to number', 'any value', 'null', '1']);
  });
});
