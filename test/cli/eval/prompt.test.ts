import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { complete, runPrompt } from '../../../src/cli/eval/prompt.ts';
import { plainSamples } from '../../../src/cli/eval/samples.ts';

const samples = plainSamples([
  { id: 1, customer: { name: 'Ana', 'last name': 'Berg' }, lines: [{ sku: 'a' }] },
  { id: 2, coupon: 'X' },
]);

/** What the prompt answers to these lines, without the prompt itself. */
async function answers(...lines: readonly string[]): Promise<string[]> {
  const [input, output] = [new PassThrough(), new PassThrough()];
  input.end(lines.map((line) => `${line}\n`).join(''));
  const shown = text(output);
  await runPrompt(samples, { input, output, terminal: false });
  output.end();
  return (await shown).replaceAll('> ', '').trimEnd().split('\n').slice(1);
}

describe('the prompt', () => {
  it('evaluates on the current event, and tells value and type', async () => {
    expect(await answers('event.id + 1', 'event.customer', '"a" + "b"', '', ':next', 'event.id')).toEqual([
      '2  (int)',
      '{"name":"Ana","last name":"Berg"}  (map)',
      '"ab"  (string)',
      'event 2 of 2',
      '2  (int)',
    ]);
  });

  it('goes on after mistakes, each shown with its place', async () => {
    expect(await answers('event.id +', 'event.nope', ':nope', '1')).toEqual([
      'the expression ends too early  [syntax]',
      '  event.id +',
      '            ^',
      '  something is missing after the last character',
      '! event.nope is missing; where it may be, write event.?nope  [field_missing]',
      ':nope is unknown; :help lists what can be done here',
      '1  (int)',
    ]);
  });

  it('tells types without evaluating, evaluates on all events, and ends with :quit', async () => {
    expect(await answers(':type size(event.nope)', ':all event.id * 2', ':quit', '1')).toEqual([
      'int',
      '1: 2  (int)',
      '2: 4  (int)',
    ]);
  });
});

describe('completion', () => {
  const completed = (line: string, vars = {}) => complete(line, { scopes: samples.scopes, vars });

  it.for([
    ['event.cu', [['customer'], 'cu']],
    ['size(event.customer.na', [['name'], 'na']],
    ['event.co', [['coupon'], 'co']],
    ['event.lines[0].', [['sku'], '']],
    ['event.lines.ex', [['exists(', 'exists_one('], 'ex']],
    ['event.?cu', [['customer'], 'cu']],
    ['meta.off', [['offset'], 'off']],
    ['1 + toSt', [[], 'toSt']],
    [':qu', [['quit '], 'qu']],
    ['event.constructor.', [[], '']],
  ] as const)('of %s offers what the sample holds', ([line, expected]) => expect(completed(line)).toEqual(expected));

  it('offers functions and vars', () => {
    expect(completed('upp')).toEqual([['upper('], 'upp']);
    expect(completed('vars.p', { pepper: 'x' })).toEqual([['pepper'], 'p']);
  });
});
