/** Whether what came out of a case is what it expects. */
import type { ValuePath } from '../definition/pipeline.ts';
import { fieldDifferences, itemDifferences, type ItemDifference } from './compare.ts';
import type { CaseDeadLetter, Outcome } from './run-case.ts';
import type { Expectation, TestCase } from './test-file.ts';

/** One thing that is not as expected. */
export type Difference = { readonly path: ValuePath } & (
  | { readonly about: 'rows'; readonly sink: string; readonly item: ItemDifference }
  | { readonly about: 'dead_letters'; readonly item: ItemDifference }
  | { readonly about: 'filtered' | 'dropped'; readonly expected: number; readonly got: number }
  | { readonly about: 'stopped'; readonly message: string }
);

/** Every difference; none where the case passes. */
export function judge({ expect, path }: TestCase, outcome: Outcome): readonly Difference[] {
  const expectPath = [...path, 'expect'];
  const stopped: readonly Difference[] =
    outcome.stopped === null ? [] : [{ about: 'stopped', message: outcome.stopped, path: expectPath }];
  const rows = expect.rows.flatMap(({ sink, items, path: at }): readonly Difference[] => {
    const name = sink ?? [...outcome.rows.keys()][0]!;
    return itemDifferences(items, outcome.rows.get(name) ?? [], expect.exact).map((item) => ({
      about: 'rows',
      sink: name,
      item,
      path: placeOf(item, at),
    }));
  });
  const counts = (['filtered', 'dropped'] as const).flatMap((about): readonly Difference[] => {
    const [expected, got] = [expect[about], outcome[about]];
    return expected === null || expected === got ? [] : [{ about, expected, got, path: [...expectPath, about] }];
  });
  return [...stopped, ...rows, ...deadLetterDifferences(expect, outcome.deadLetters), ...counts];
}

function deadLetterDifferences({ deadLetters }: Expectation, got: readonly CaseDeadLetter[]): readonly Difference[] {
  const { items, path } = deadLetters;
  return itemDifferences(items, got, false, letterDifferences).map((item) => ({
    about: 'dead_letters',
    item,
    path: placeOf(item, path),
  }));
}

/** As other maps, but that the expected message is a part of the real one. */
function letterDifferences(expected: unknown, got: unknown) {
  const letter = expected as Partial<CaseDeadLetter>;
  const { message } = got as CaseDeadLetter;
  const isPart = letter.message !== undefined && message.includes(letter.message);
  return fieldDifferences(isPart ? { ...letter, message } : letter, got, false);
}

/** An item that is there too much has no place of its own. */
const placeOf = (item: ItemDifference, list: ValuePath): ValuePath =>
  item.kind === 'unexpected' ? list : [...list, item.index];
