/** What to write instead of what does not fit. */
import type { Checker } from './check.ts';
import { isNumeric, type NodeOf, type Type } from './tree.ts';

/** How a text or number becomes true or false. */
export function truthHint(subject: string, type: Type): string | undefined {
  if (type === 'string') return `compare it: ${subject} != ""`;
  if (type === 'null') return 'write a condition, such as event.paid or event.total > 0';
  return isNumeric(type) ? `compare it: ${subject} != 0` : undefined;
}

/** How two values of other kinds come together. Both sides have their types. */
export function conversionHint(checker: Checker, { operator, left, right }: NodeOf<'binary'>): string | undefined {
  for (const [one, other] of [
    [left, right],
    [right, left],
  ] as const) {
    const subject = checker.subject(one);
    if (one.type === 'null' && isNumeric(other.type))
      return `write coalesce(${subject}, 0), or what null is to count for`;
    if (one.type !== 'string') continue;
    if (other.type === 'timestamp') return `write timestamp(${subject})`;
    if (other.type === 'duration') return `write duration(${subject})`;
    if (!isNumeric(other.type)) continue;
    const asText = `string(${checker.subject(other)})`;
    if (one.kind === 'literal') {
      if (/^-?\d+(\.\d+)?$/.test(String(one.value))) return `write ${String(one.value)} without quotes`;
      return ['-', '*', '/', '%'].includes(operator) ? undefined : `write ${asText}`;
    }
    const asNumber = `write decimal(${subject}), which is exact, double(${subject}) or int(${subject})`;
    return operator === '+' ? `${asNumber}, or ${asText} for text` : asNumber;
  }
  return undefined;
}

/** What the event is called elsewhere. */
export const otherEventNames: ReadonlySet<string> = new Set([
  'record',
  'row',
  'message',
  'msg',
  'this',
  'value',
  'payload',
  'data',
  'doc',
  'root',
]);

/** true, false and null as other languages write them. */
export const otherLiterals: Readonly<Record<string, string>> = {
  True: 'true',
  TRUE: 'true',
  False: 'false',
  FALSE: 'false',
  None: 'null',
  NULL: 'null',
  nil: 'null',
  undefined: 'null',
};
