/**
 * Parser of CEL expressions (https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax): precedence
 * climbing over tokens, first syntax error wins. Everything it reads is bounded, so that a file can't stop `validate`.
 */
import { SyntaxProblem } from './errors.ts';
import { tokenize, type Token } from './tokens.ts';
import type { BinaryOperator, MacroName, Node } from './tree.ts';

export const expressionCharactersMax = 10_000;
const depthMax = 60;
const operatorsInARowMax = 200;
const macroDepthMax = 3;

const precedence: Readonly<Record<string, number>> = {
  '||': 1, '&&': 2, '==': 3, '!=': 3, '<': 3, '<=': 3, '>': 3, '>=': 3, in: 3, '+': 4, '-': 4, '*': 5, '/': 5, '%': 5,
}; // prettier-ignore

const macros: ReadonlySet<string> = new Set<MacroName>(['all', 'exists', 'exists_one', 'map', 'filter']);

/** Words that stand for operators elsewhere. */
const foreignWords: Readonly<Record<string, string>> = {
  and: 'for "and" write &&',
  AND: 'for "and" write &&',
  or: 'for "or" write ||',
  OR: 'for "or" write ||',
  not: 'for "not" write !',
  NOT: 'for "not" write !',
  is: 'to compare write ==',
  IS: 'to compare write ==',
  IN: 'write in, in lower case',
  between: 'write low <= a && a <= high',
  as: 'write int(a), double(a), string(a) or timestamp(a)',
  like: 'write matches(event.field, "pattern"), contains(...) or startsWith(...)',
  LIKE: 'write matches(event.field, "pattern"), contains(...) or startsWith(...)',
  mod: 'for the remainder write %',
  div: 'write div(a, b)',
  if: 'write condition ? value : other, or cases(condition, value, ..., other)',
  case: 'write cases(condition, value, ..., other)',
  CASE: 'write cases(condition, value, ..., other)',
};

/** Parses `text` from `from` to `to`; places in nodes are offsets into the whole text. Throws `SyntaxProblem`. */
export function parse(text: string, from = 0, to = text.length): Node {
  if (to - from > expressionCharactersMax) {
    throw new SyntaxProblem({
      code: 'too_large',
      message: `the expression is longer than ${expressionCharactersMax} characters`,
      hint: 'compute parts of it in a set step before',
      start: from,
      end: to,
    });
  }
  return new Parser(text, from, tokenize(text, from, to)).parse();
}

class Parser {
  readonly #text: string;
  readonly #from: number;
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;
  #macroDepth = 0;

  constructor(text: string, from: number, tokens: readonly Token[]) {
    this.#text = text;
    this.#from = from;
    this.#tokens = tokens;
  }

  parse(): Node {
    if (this.#peek().kind === 'end') this.#fail('the expression is empty', `for an empty text write '""'`);
    const node = this.#expression();
    if (this.#peek().kind !== 'end') this.#unexpected();
    return node;
  }

  #expression(): Node {
    return this.#nested(() => {
      const test = this.#binary(1);
      if (!this.#take('?')) return test;
      const yes = this.#binary(1);
      this.#expect(':', 'a conditional is written condition ? value : other');
      const no = this.#expression();
      return { kind: 'conditional', test, yes, no, type: 'dyn', start: test.start, end: no.end };
    });
  }

  #binary(least: number): Node {
    let left = this.#unary();
    for (let count = 1; ; count++) {
      const token = this.#peek();
      const level = token.kind === 'operator' || token.text === 'in' ? precedence[token.text] : undefined;
      if (level === undefined || level < least) return left;
      if (count > operatorsInARowMax) this.#tooDeep();
      this.#at++;
      const right = this.#binary(level + 1);
      const operator = token.text as BinaryOperator;
      left = { kind: 'binary', operator, left, right, type: 'dyn', start: left.start, end: right.end };
    }
  }

  #unary(): Node {
    const token = this.#peek();
    if (token.kind !== 'operator' || (token.text !== '-' && token.text !== '!')) return this.#member();
    this.#at++;
    const operator = token.text;
    return this.#nested(() => {
      const operand = this.#unary();
      const place = { type: 'dyn' as const, start: token.start, end: operand.end };
      if (operator === '-' && operand.kind === 'literal' && operand.start === token.end) {
        const { value } = operand;
        // Not -value: -0 is no JSON number of its own.
        if (typeof value === 'number') return { ...operand, value: 0 - value, start: token.start };
        if (typeof value === 'bigint') return { ...operand, value: -value, start: token.start };
      }
      return { kind: 'unary', operator, operand, ...place };
    });
  }

  #member(): Node {
    let node = this.#primary();
    for (let count = 1; ; count++) {
      if (count > depthMax) this.#tooDeep();
      if (this.#peek().kind === 'operator' && (this.#peek().text === '.' || this.#peek().text === '.?')) {
        const optional = this.#next().text === '.?';
        const name = this.#next();
        if (name.kind !== 'name' && !(name.kind === 'literal' && /^[a-z]+$/.test(name.text))) {
          this.#at--;
          this.#fail(
            'after the dot comes the name of a field',
            'a field with other characters is written event["the field"]',
          );
        }
        if (!optional && this.#isOperator('(')) node = this.#method(node, name);
        else {
          node = {
            kind: 'select',
            target: node,
            field: name.text,
            optional,
            fieldStart: name.start,
            type: 'dyn',
            start: node.start,
            end: name.end,
          };
        }
      } else if (this.#isOperator('[') || this.#isOperator('[?')) {
        const optional = this.#next().text === '[?';
        const index = this.#expression();
        const end = this.#expect(']', 'an index is written event.list[0]').end;
        node = { kind: 'index', target: node, index, optional, type: 'dyn', start: node.start, end };
      } else {
        return node;
      }
    }
  }

  #method(target: Node, name: Token): Node {
    if (!macros.has(name.text)) {
      const { args, end } = this.#arguments(name);
      return {
        kind: 'call',
        name: name.text,
        args: [target, ...args],
        method: true,
        nameStart: name.start,
        type: 'dyn',
        start: target.start,
        end,
      };
    }
    if (++this.#macroDepth > macroDepthMax)
      this.#fail(`more than ${macroDepthMax} loops stand in one another`, 'use explode, or set steps before');
    const { args, end } = this.#arguments(name);
    this.#macroDepth--;
    const usage = `write list.${name.text}(x, ...x...)`;
    const [variable, first, second] = args;
    if (variable?.kind !== 'name' || first === undefined || args.length > (name.text === 'map' ? 3 : 2)) {
      this.#fail(`${name.text} takes the name of a variable and an expression`, usage, name.start, end);
    }
    return {
      kind: 'macro',
      macro: name.text as MacroName,
      list: target,
      variable: (variable as { name: string }).name,
      where: second === undefined ? null : first!,
      body: second ?? first!,
      type: 'dyn',
      start: target.start,
      end,
    };
  }

  #primary(): Node {
    const token = this.#next();
    const { start, end } = token;
    if (token.kind === 'literal') {
      const type =
        typeof token.value === 'number' || typeof token.value === 'bigint' ? (token.double ? 'double' : 'int') : 'dyn';
      return { kind: 'literal', value: token.value, type, start, end };
    }
    if (token.kind === 'name') {
      if (this.#isOperator('(')) {
        const { args, end: close } = this.#arguments(token);
        return {
          kind: 'call',
          name: token.text,
          args,
          method: false,
          nameStart: start,
          type: 'dyn',
          start,
          end: close,
        };
      }
      // `not event.x`: a word that is an operator elsewhere, followed by what can't follow a name.
      const hint = foreignWords[token.text];
      if (hint !== undefined && this.#peek().kind === 'name')
        this.#fail(`${token.text} is not an operator`, hint, start, end);
      return { kind: 'name', name: token.text, type: 'dyn', start, end };
    }
    if (token.text === '(') {
      const node = this.#expression();
      if (this.#isOperator(',')) this.#fail('( ) holds one value', 'a list is written in [ ], as in a in ["x", "y"]');
      this.#expect(')', 'an opened ( is closed by )');
      return node;
    }
    if (token.text === '[') {
      const items = this.#list(']');
      return { kind: 'list', items, type: 'dyn', start, end: this.#tokens[this.#at - 1]!.end };
    }
    if (token.text === '{') {
      const entries: { key: Node; value: Node }[] = [];
      while (!this.#take('}')) {
        const key = this.#expression();
        this.#expect(':', 'a map is written {"name": value}');
        entries.push({ key, value: this.#expression() });
        if (!this.#take(',') && !this.#isOperator('}')) this.#expect('}', 'a map is written {"name": value}');
      }
      return { kind: 'map', entries, type: 'dyn', start, end: this.#tokens[this.#at - 1]!.end };
    }
    this.#at--;
    return this.#unexpected();
  }

  #arguments(name: Token): { args: Node[]; end: number } {
    this.#expect('(', `a call is written ${name.text}(...)`);
    const args = this.#list(')');
    return { args, end: this.#tokens[this.#at - 1]!.end };
  }

  #list(close: ')' | ']'): Node[] {
    const items: Node[] = [];
    while (!this.#take(close)) {
      items.push(this.#expression());
      if (!this.#take(',') && !this.#isOperator(close))
        this.#expect(close, `an opened ${close === ')' ? '(' : '['} is closed by ${close}`);
    }
    return items;
  }

  #nested(read: () => Node): Node {
    if (++this.#depth > depthMax) this.#tooDeep();
    const node = read();
    this.#depth--;
    return node;
  }

  #tooDeep(): never {
    const { start, end } = this.#peek();
    throw new SyntaxProblem({
      code: 'too_large',
      message: 'the expression is nested too deeply',
      hint: 'compute parts of it in a set step before',
      start,
      end,
    });
  }

  #peek(): Token {
    return this.#tokens[this.#at]!;
  }

  #next(): Token {
    const token = this.#peek();
    if (token.kind !== 'end') this.#at++;
    else this.#fail('the expression ends too early', 'something is missing after the last character');
    return token;
  }

  #isOperator(text: string): boolean {
    const token = this.#peek();
    return token.kind === 'operator' && token.text === text;
  }

  #take(text: string): boolean {
    if (!this.#isOperator(text)) return false;
    this.#at++;
    return true;
  }

  #expect(text: string, hint: string): Token {
    const token = this.#peek();
    if (token.kind === 'operator' && token.text === text) {
      this.#at++;
      return token;
    }
    const word = foreignWords[token.text];
    if (word !== undefined && token.kind === 'name') this.#fail(`${token.text} is not an operator`, word);
    return this.#fail(
      token.kind === 'end' ? `a ${text} is missing at the end` : `${text} is expected instead of ${token.text}`,
      hint,
    );
  }

  #unexpected(): never {
    const token = this.#peek();
    const word = foreignWords[token.text];
    if (word !== undefined && token.kind === 'name') this.#fail(`${token.text} is not an operator`, word);
    const whole = this.#text.slice(this.#from, this.#tokens.at(-1)!.start).trim();
    // Words without any sign of an expression were meant as text.
    const hint = /^[\p{L}][\p{L}\d _,;!-]*$/u.test(whole)
      ? `for the text write '${JSON.stringify(whole)}'`
      : hintForUnexpected(token, this.#tokens[this.#at - 1]);
    return this.#fail(
      token.kind === 'end' ? 'the expression ends too early' : `${token.text} is not expected here`,
      hint,
    );
  }

  #fail(message: string, hint: string, start = this.#peek().start, end = this.#peek().end): never {
    throw new SyntaxProblem({ code: 'syntax', message, hint, start, end: Math.max(end, start) });
  }
}

function hintForUnexpected({ kind, text }: Token, before: Token | undefined): string {
  if (kind !== 'operator') return 'an operator may be missing before it';
  if (text === '.' || text === '.?') return 'a field is written event.name';
  if (text === ')' || text === ']' || text === '}') return 'remove it, or open it before';
  if (text === ',' && before?.kind === 'literal') return 'numbers are written without separators, 1000';
  return 'a value is missing before it';
}
