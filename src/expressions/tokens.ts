/** Cuts an expression into tokens, with the place of each and an answer to what people write by habit of other languages. */
import { SyntaxProblem } from './errors.ts';
import type { LiteralValue } from './tree.ts';

export type Token = { readonly start: number; readonly end: number; readonly text: string } & (
  | { readonly kind: 'name' | 'operator' | 'end' }
  | { readonly kind: 'literal'; readonly value: LiteralValue; readonly double: boolean }
);

const operators = [
  '&&', '||', '==', '!=', '<=', '>=', '.?', '[?',
  '+', '-', '*', '/', '%', '<', '>', '!', '?', ':', '.', ',', '(', ')', '[', ']', '{', '}',
]; // prettier-ignore

/** What other languages write, and what is written here. Longest first. */
const foreign: readonly (readonly [wrong: string, message: string, hint: string])[] = [
  ['===', '=== is not an operator', 'to compare write =='],
  ['!==', '!== is not an operator', 'to compare write !='],
  ['<>', '<> is not an operator', 'for "not equal" write !='],
  ['=~', '=~ is not an operator', 'write matches(event.field, "pattern")'],
  ['=>', '=> is not an operator', 'for "greater or equal" write >=; a list is mapped by list.map(x, x.field)'],
  ['??', '?? is not an operator', 'write coalesce(event.?field, other)'],
  ['?.', '?. is not an operator', 'for a field that may be absent write event.?field'],
  ['**', '** is not an operator', 'write the multiplication out'],
  ['++', '++ is not an operator', 'to add write a + b'],
  ['||=', '||= assigns, and an expression assigns nothing', 'write coalesce(event.?field, other)'],
  ['=', '= assigns, and an expression assigns nothing', 'to compare write =='],
  ['&', '& is not an operator', 'for "and" write &&'],
  ['|', '| is not an operator', 'for "or" write ||'],
  ['${', '${...} is not read in expressions', 'declare it below vars: and write vars.name'],
  ['`', 'a back quote does not begin a text', 'write "text" or \'text\''],
  ['//', '// begins no comment here', 'in YAML a comment begins with #'],
];

export function tokenize(text: string, from: number, to: number): Token[] {
  const tokens: Token[] = [];
  let at = from;
  while (at < to) {
    const c = text[at]!;
    if (c === ' ' || c === '\t' || c === '\n' || c === '\r') {
      at++;
      continue;
    }
    const rest = text.slice(at, Math.min(to, at + 3));
    let token: Token | undefined;
    if (/^[rR]?["']/.test(rest)) token = readText(text, at, to);
    else if (/[A-Za-z_]/.test(c)) token = readName(text, at, to);
    else if (/^\.?[0-9]/.test(rest) && !(c === '.' && endsOperand(tokens.at(-1)))) token = readNumber(text, at, to);
    else token = readOperator(text, at, rest);
    tokens.push(token);
    at = token.end;
  }
  // What is missing at the end is missing behind the last word, not on a line below it.
  const end = from + text.slice(from, to).trimEnd().length;
  tokens.push({ kind: 'end', text: '', start: end, end });
  return tokens;
}

function endsOperand(token: Token | undefined): boolean {
  return token !== undefined && (token.kind !== 'operator' || token.text === ')' || token.text === ']');
}

function readOperator(text: string, start: number, rest: string): Token {
  const operator = operators.find((candidate) => rest.startsWith(candidate));
  for (const [wrong, message, hint] of foreign) {
    if (!rest.startsWith(wrong) || wrong.length <= (operator?.length ?? 0)) continue;
    // `a ?.5 : b` is a conditional with a number, and so is no `?.`.
    if (wrong === '?.' && /\d/.test(rest[2] ?? '')) continue;
    throw new SyntaxProblem({ code: 'syntax', message, hint, start, end: start + wrong.length });
  }
  if (operator === undefined) {
    const character = String.fromCodePoint(text.codePointAt(start)!);
    const hint = hintForCharacter(character);
    throw new SyntaxProblem({
      code: 'syntax',
      message: `${JSON.stringify(character)} has no meaning here`,
      hint,
      start,
      end: start + character.length,
    });
  }
  return { kind: 'operator', text: operator, start, end: start + operator.length };
}

function hintForCharacter(character: string): string {
  if (/[“”‘’„]/.test(character)) return 'write straight quotes, "text"';
  if (/\p{L}/u.test(character)) return 'a field with other letters than a to z is written event["the field"]';
  if (character === '$') return 'a field is written event.name, a var vars.name';
  if (character === '^') return 'a pattern is a text, r"^A"';
  if (character === ';') return 'an expression is a single one and ends without it';
  return 'a text stands in quotes, "text"';
}

function readName(text: string, start: number, to: number): Token {
  let end = start + 1;
  while (end < to && /[A-Za-z0-9_]/.test(text[end]!)) end++;
  const name = text.slice(start, end);
  const literal = (value: null | boolean): Token => ({ kind: 'literal', value, double: false, text: name, start, end });
  if (name === 'true') return literal(true);
  if (name === 'false') return literal(false);
  if (name === 'null') return literal(null);
  return { kind: 'name', text: name, start, end };
}

function readNumber(text: string, start: number, to: number): Token {
  const match = /^(?:0[xX][0-9a-fA-F]+[uU]?|(?:\d+\.\d+|\.\d+|\d+)(?:[eE][+-]?\d+)?[uU]?)/.exec(text.slice(start, to))!;
  const written = match[0];
  const end = start + written.length;
  const bad = (message: string, hint: string): SyntaxProblem =>
    new SyntaxProblem({ code: 'bad_literal', message, hint, start, end });
  if (/[A-Za-z_0-9]/.test(text[end] ?? '') && end < to) {
    const word = /^[\w.]+/.exec(text.slice(start, to))![0];
    const hint = /^\d+(ms|s|m|h|d)$/.test(word)
      ? `for a duration write duration("${word}")`
      : `for a text write "${word}"`;
    throw new SyntaxProblem({
      code: 'bad_literal',
      message: `${word} is not a number`,
      hint,
      start,
      end: start + word.length,
    });
  }
  const date = /^\d{4}-\d\d-\d\d(?!\d)(?:T[\d:.]+Z?)?/.exec(text.slice(start, to))?.[0];
  if (date !== undefined) {
    const hint = `for a time write timestamp("${date.length > 10 ? date : `${date}T00:00:00Z`}"), for the text "${date}"`;
    throw new SyntaxProblem({
      code: 'bad_literal',
      message: `${date} would be a subtraction`,
      hint,
      start,
      end: start + date.length,
    });
  }
  const digits = written.replace(/[uU]$/, '');
  const double = /[.eE]/.test(digits) && !/^0[xX]/.test(digits);
  if (double) {
    const value = Number(digits);
    if (!Number.isFinite(value)) throw bad('the number is larger than a double can be', 'write decimal("...") for it');
    return { kind: 'literal', value, double, text: written, start, end };
  }
  const exact = BigInt(digits);
  // One more than the largest, so that -9223372036854775808 can be written.
  if (exact > 2n ** 63n) throw bad('the integer needs more than 64 bits', `write decimal("${digits}")`);
  const value = exact <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(exact) : exact;
  return { kind: 'literal', value, double, text: written, start, end };
}

const escapes: Readonly<Record<string, string>> = {
  n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', v: '\v', a: '\x07', '\\': '\\', '"': '"', "'": "'", '`': '`', '?': '?',
}; // prettier-ignore

function readText(text: string, start: number, to: number): Token {
  let at = start;
  const raw = /[rR]/.test(text[at]!);
  if (raw) at++;
  const quote = text[at]!;
  const fence = text.startsWith(quote.repeat(3), at) ? quote.repeat(3) : quote;
  at += fence.length;
  let value = '';
  for (;;) {
    if (at >= to || (fence.length === 1 && text[at] === '\n')) {
      throw new SyntaxProblem({
        code: 'syntax',
        message: 'the text is not closed',
        hint: `end it with ${fence}`,
        start,
        end: at,
      });
    }
    if (text.startsWith(fence, at)) break;
    if (text[at] !== '\\' || raw) {
      value += text[at++];
      continue;
    }
    const numeric = /^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))/.exec(
      text.slice(at + 1, at + 10),
    );
    const simple = escapes[text[at + 1] ?? ''];
    const code =
      numeric === null
        ? -1
        : numeric[4] === undefined
          ? parseInt(numeric[1] ?? numeric[2] ?? numeric[3]!, 16)
          : parseInt(numeric[4], 8);
    if (numeric !== null && code <= 0x10ffff) {
      value += String.fromCodePoint(code);
      at += 1 + numeric[0].length;
    } else if (simple !== undefined) {
      value += simple;
      at += 2;
    } else {
      throw new SyntaxProblem({
        code: 'syntax',
        message: `\\${text[at + 1] ?? ''} is no escape`,
        hint: 'write \\\\ for a backslash, or r"..." for a text without escapes (good for patterns)',
        start: at,
        end: Math.min(at + 2, to),
      });
    }
  }
  const end = at + fence.length;
  return { kind: 'literal', value, double: false, text: text.slice(start, end), start, end };
}
