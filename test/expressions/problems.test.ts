import { describe, expect, test } from 'vitest';
import type { Type } from '../../src/expressions/index.ts';
import { problems } from './evaluate.ts';

const first = (source: string, event?: Type) =>
  problems(source, { vars: { pepper: 'x' }, ...(event === undefined ? {} : { event }) })[0];

describe('problems say where and what to write', () => {
  test('a bare text is answered with its quotes', () => {
    const problem = first('EUR')!;
    expect(`${problem.message}; ${problem.hint}`).toBe(`EUR is not a field; for the text write '"EUR"'`);
    expect(first('paid last week')).toMatchObject({ code: 'syntax', hint: `for the text write '"paid last week"'` });
  });

  test.each([
    ['event.a = 1', 8, 9, 'to compare write =='],
    ['event.a === 1', 8, 11, 'to compare write =='],
    ['event.a <> 1', 8, 10, 'for "not equal" write !='],
    ['event.a & event.b', 8, 9, 'for "and" write &&'],
    ['event.a | event.b', 8, 9, 'for "or" write ||'],
    ['event.a == 1 and event.b == 2', 13, 16, 'for "and" write &&'],
    ['event.a == 1 OR event.b == 2', 13, 15, 'for "or" write ||'],
    ['not event.a', 0, 3, 'for "not" write !'],
    ['(event.a or event.b)', 9, 11, 'for "or" write ||'],
    ['event.a ?? 1', 8, 10, 'write coalesce(event.?field, other)'],
    ['event?.a', 5, 7, 'for a field that may be absent write event.?field'],
    ['${PEPPER}', 0, 2, 'declare it below vars: and write vars.name'],
    ['“paid”', 0, 1, 'write straight quotes, "text"'],
    ['"paid', 0, 5, 'end it with "'],
    ['"a\\d"', 2, 4, expect.stringContaining('r"..."')],
    ['event.a +', 9, 9, expect.any(String)],
    ['(event.a', 8, 8, 'an opened ( is closed by )'],
    ['event.a)', 7, 8, expect.any(String)],
    ['event.a ? 1', 11, 11, 'a conditional is written condition ? value : other'],
    ['event.first name', 12, 16, expect.any(String)],
    ['event.5', 6, 7, expect.any(String)],
    ['5m', 0, 2, 'for a duration write duration("5m")'],
    ['', 0, 0, `for an empty text write '""'`],
  ])('%s', (source, start, end, hint) => {
    expect(first(source)).toMatchObject({ start, end, hint });
  });

  test.each([
    ['lowr(event.a)', 'lowr is not a function', 'did you mean lower?'],
    ['startswith(event.a, "b")', 'startswith is not a function', 'did you mean startsWith?'],
    ['length(event.a)', 'length is not a function', 'write size(x)'],
    ['now()', 'now is not a function', expect.stringContaining('meta.timestamp')],
    ['evnt.a', 'evnt is not a name', 'did you mean event?'],
    ['status == "paid"', 'status is not a field', 'for a field write event.status, for the text write "status"'],
    ['event.a == True', 'True is not a name', 'write true'],
    ['event.a == None', 'None is not a name', 'write null'],
    ['meta.topik', 'meta has no topik', 'did you mean topic?'],
    ['vars.peper', 'vars has no peper', 'did you mean pepper?'],
    ['pepper', 'pepper is not a name', 'for the var write vars.pepper'],
    ['meta', 'meta alone is no value', expect.stringContaining('meta.topic')],
    ['event.a * "2"', '* does not take this: "2" is text', undefined],
    ['round("x")', 'round needs a number, and "x" is text', undefined],
    ['substring("a")', 'substring takes 2 to 3 arguments, not 1', 'write substring(string, int, int?)'],
    ['format("%d %d", 1)', 'format has 2 directives and 1 values', expect.any(String)],
    ['{a: 1}', 'a is not a field', expect.any(String)],
    ['"x" in "xyz"', 'in looks into a list or the keys of a map', 'write contains("xyz", "x")'],
  ])('%s: %s', (source, message, hint) => {
    expect(first(source)).toMatchObject(hint === undefined ? { message } : { message, hint });
  });

  const order: Type = {
    fields: {
      amount: 'int',
      status: 'string',
      customer: { fields: { id: 'string' }, open: true },
      lines: { list: { fields: { sku: 'string' } } },
    },
  };

  test('fields that are known to be absent are problems with a suggestion', () => {
    expect(first('event.amout', order)).toMatchObject({
      code: 'unknown_field',
      message: 'event has no field amout',
      hint: 'did you mean amount?',
      start: 6,
      end: 11,
    });
    expect(first('event.lines[0].skew', order)).toMatchObject({
      code: 'unknown_field',
      message: 'event.lines[0] has no field skew',
    });
    expect(first('amount', order)).toMatchObject({ hint: 'for the field write event.amount' });
    expect(first('event.lines.sku', order)).toMatchObject({
      hint: 'write event.lines[0].sku, or event.lines.map(x, x.sku)',
    });
    expect(first('event.status * 2', order)).toMatchObject({ code: 'type_mismatch' });
    expect(first('event.status == 5', order)).toMatchObject({ code: 'type_mismatch' });
    expect(
      first('event.customer.whatever == 5 && event.lines.all(l, l.sku != "") && event.amount == null', order),
    ).toBe(undefined);
    expect(first('event.constructor', order)).toMatchObject({ code: 'unknown_field' });
  });

  test('all problems of one expression are told at once', () => {
    expect(problems('lowr(event.a) == nothing && vars.x').map((problem) => problem.code)).toEqual([
      'unknown_function',
      'not_a_field',
      'unknown_field',
    ]);
  });

  test('length and nesting are bounded', () => {
    expect(first(`"${'x'.repeat(10_001)}"`)!.code).toBe('too_large');
    expect(first(`${'('.repeat(100)}1${')'.repeat(100)}`)!.code).toBe('too_large');
    expect(first(`${'!'.repeat(100)}true`)!.code).toBe('too_large');
    expect(first('['.repeat(3000))!.code).toBe('too_large');
    expect(first(`1${' + 1'.repeat(1000)}`)!.code).toBe('too_large');
    expect(first(`event${'.a'.repeat(200)}`)!.code).toBe('too_large');
    expect(first('[1].map(a, [1].map(b, [1].map(c, [1].map(d, d))))')!.code).toBe('syntax');
    expect(first(`event.a == 1${' || event.a == 1'.repeat(150)}`)).toBe(undefined);
  });
});
