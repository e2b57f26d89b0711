/** `format("%s costs %.2f", ...)`: CEL's directives, and a width (`%05d`). */
import { Decimal, isDecimal } from './decimal.ts';
import { EvaluationError } from './errors.ts';
import { isInteger, toDecimal } from './arithmetic.ts';
import { textOf } from './text-of.ts';
import { checkSize, unusable, type AnyNumber } from './values.ts';

interface Directive {
  readonly letter: string;
  readonly width: number;
  readonly fill: string;
  readonly precision: number;
}

export interface Format {
  readonly literals: readonly string[];
  readonly directives: readonly Directive[];
}

/** Throws an Error that says what is wrong with the pattern. */
export function readFormat(pattern: string): Format {
  const literals = [''];
  const directives: Directive[] = [];
  for (const [part, body] of pattern.matchAll(/%((?:0?\d{1,3})?(?:\.\d{1,3})?[a-zA-Z%])|%|[^%]+/g)) {
    if (!part.startsWith('%')) literals[literals.length - 1] += part;
    else if (body === '%') literals[literals.length - 1] += '%';
    else {
      const match = /^(0?)(\d*)(?:\.(\d+))?([sdfexXob])$/.exec(body ?? '');
      if (match === null)
        throw new Error(
          `${part} is no directive; known are %s %d %f %.2f %e %x %X %o %b %05d, and %% for a percent sign`,
        );
      directives.push({
        letter: match[4]!,
        width: Number(match[2]),
        fill: match[1] === '0' ? '0' : ' ',
        precision: Number(match[3] ?? 6),
      });
      literals.push('');
    }
  }
  return { literals, directives };
}

/** `values` as many as the pattern has directives; a single list stands for its elements. */
export function applyFormat(at: string, format: Format, values: readonly unknown[]): string {
  const items = values.length === 1 && Array.isArray(values[0]) ? (values[0] as unknown[]) : values;
  const { literals, directives } = format;
  if (items.length !== directives.length) {
    throw new EvaluationError(
      'invalid_argument',
      `format has ${directives.length} directives and ${items.length} values`,
      at,
    );
  }
  let text = literals[0]!;
  for (let i = 0; i < directives.length; i++) {
    text += applyDirective(directives[i]!, items[i], `value ${i + 1} of format`) + literals[i + 1]!;
    checkSize(text.length, 'the result of format');
  }
  return text;
}

const radix: Readonly<Record<string, number>> = { d: 10, x: 16, X: 16, o: 8, b: 2 };

function applyDirective({ letter, width, fill, precision }: Directive, value: unknown, subject: string): string {
  let text: string;
  if (letter === 's') text = value === null ? 'null' : textOf(value, subject);
  else if (letter === 'f' || letter === 'e') {
    if (typeof value !== 'number' && typeof value !== 'bigint' && !isDecimal(value))
      return unusable(value, subject, `%${letter} needs a number`);
    const exact = toDecimal(value as AnyNumber, subject);
    text =
      letter === 'f'
        ? exact.toFixed(precision, Decimal.roundHalfUp)
        : exact.toExponential(precision, Decimal.roundHalfUp);
  } else {
    if (!isInteger(value)) {
      if (isDecimal(value) && letter === 'd' && value.eq(value.round(0))) return value.toFixed(0).padStart(width, fill);
      return unusable(value, subject, `%${letter} needs an integer`);
    }
    text = value.toString(radix[letter]);
    if (letter === 'X') text = text.toUpperCase();
  }
  if (text.length >= width) return text;
  // Zeros stand between the sign and the digits.
  return fill === '0' && text.startsWith('-')
    ? `-${text.slice(1).padStart(width - 1, '0')}`
    : text.padStart(width, fill);
}
