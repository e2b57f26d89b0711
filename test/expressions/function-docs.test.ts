import { describe, expect, it } from 'vitest';
import { formDocs, functionDocs } from '../../src/expressions/function-docs.ts';
import { functions, specialForms } from '../../src/expressions/functions.ts';
import { evaluate } from './evaluate.ts';

describe('the documentation of functions', () => {
  it('describes every function, and nothing that is not one', () => {
    expect(Object.keys(functionDocs).toSorted()).toEqual([...functions.keys()].toSorted());
    for (const form of specialForms)
      expect(
        formDocs.some((doc) => doc.form.startsWith(`${form}(`)),
        form,
      ).toBe(true);
  });

  it.for(Object.entries(functionDocs))('names each parameter of %s, and shows one call of it', ([name, doc]) => {
    expect(doc.parameters).toHaveLength(functions.get(name)!.parameters.length);
    expect(doc.example[0]).toContain(`${name}(`);
    expect(doc.does).toMatch(/^\S.*\.$/s);
  });

  it.for([...Object.values(functionDocs), ...formDocs].map(({ example }) => example))(
    '%s gives %s',
    ([expression, gives]) => {
      expect(evaluate(expression)).toEqual(evaluate(gives));
    },
  );
});
