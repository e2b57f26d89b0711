/** What YAML's own errors mean to somebody who writes expressions into it, and how to mend them. */
import type { YAMLError } from 'yaml';
import {
  cutByCommaMessage,
  flowValue,
  isCutOff,
  lineFrom,
  looksLikeExpression,
  mendLine,
  openBracket,
  quoteHint,
  restOfLine,
} from './meant-value.ts';
import type { ValuePath } from './pipeline.ts';
import { contentLine, faultAbove, keyHint, rangeOfLine } from './yaml-lines.ts';
import type { TextRange, YamlSource } from './yaml-source.ts';

export interface ExplainedError {
  readonly range: TextRange;
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  /** The one value it concerns; null when the structure of the file can't be trusted any more. */
  readonly broken: ValuePath | null;
  /** The stretch to blot out so that the rest can be read as if this value were well. */
  readonly mend?: TextRange;
}

const needsQuotes = 'expression_needs_quotes';

/** Reads one error of the parser. `all` are the file's errors: some come in pairs. */
export function explainYamlError(error: YAMLError, source: YamlSource, all: readonly YAMLError[]): ExplainedError {
  const explained = explain(error, source, all);
  if (explained.code !== 'yaml_syntax') return explained;
  const { line } = source.position(explained.range.start);
  const column = source.line(line).search(foreignSpace);
  if (column === -1) return explained;
  const start = source.start(line) + column;
  return {
    range: { start, end: start + 1 },
    code: 'yaml_syntax',
    message: 'this is not an ordinary space, and YAML takes it as a letter',
    hint: 'write an ordinary space; text copied from a web page or a document often brings these',
    broken: null,
  };
}

/** No-break, figure, zero-width and ideographic spaces look like spaces. */
const foreignSpace = /[\u00a0\u2000-\u200b\u202f\u205f\u3000]/;

function explain(error: YAMLError, source: YamlSource, all: readonly YAMLError[]): ExplainedError {
  const [start, end] = error.pos;
  const range = withinLine(source.text, start, end);
  switch (error.code as string) {
    case 'TAG_RESOLVE_FAILED':
      return tag(error, source, range);
    case 'BLOCK_AS_IMPLICIT_KEY':
    case 'BLOCK_IN_FLOW':
      if (all.some((other) => other.code === 'MULTILINE_IMPLICIT_KEY' && other.pos[0] === start))
        return indentedUnderValue(source, start);
      return nestedMapping(source, start);
    case 'UNEXPECTED_TOKEN':
      return textAfterValue(error, source, range);
    case 'MULTILINE_IMPLICIT_KEY':
      return noKey(source, range);
    case 'TAB_AS_INDENT':
      return {
        range,
        code: 'yaml_syntax',
        message: 'a tab can not indent YAML',
        hint: 'indent with spaces',
        broken: null,
      };
    case 'MULTIPLE_DOCS':
      return { range, code: 'yaml_documents', message: 'a second YAML document begins here', broken: null };
    case 'RESOURCE_EXHAUSTION':
      return { range: { start: 0, end: 0 }, code: 'yaml_limit', message: 'values are nested too deep', broken: null };
    case 'MISSING_CHAR':
      return missingCharacter(error, source, range);
    case 'BAD_INDENT':
      return badIndent(error, source, range);
    case 'BAD_SCALAR_START': {
      const path = source.pathAt(start);
      const message = `a value can not start with ${source.text[start] ?? ''} in YAML`;
      return {
        range,
        code: needsQuotes,
        message,
        hint: quoteHint(restOfLine(source, start)),
        broken: path,
        ...mendLine(source, start),
      };
    }
    case 'BAD_DQ_ESCAPE': {
      const message = `${source.text.slice(start, start + 2)} is not an escape that "..." knows`;
      const hint = 'double the backslash, or use single quotes, which know no escapes';
      return { range: { start, end: start + 2 }, code: 'yaml_syntax', message, hint, broken: source.pathAt(start) };
    }
    case 'NON_STRING_KEY':
      if (source.text[start] === '{' && source.text[start - 1] === '{') {
        const message = 'YAML reads {{ as the start of two mappings';
        const hint = 'a variable is written ${NAME}; other text with braces must stand in quotes';
        return { range: { start: start - 1, end: start + 1 }, code: 'yaml_key', message, hint, broken: null };
      }
      return { range, code: 'yaml_key', message: 'a key must be plain text', broken: null };
    default:
      return { range, code: 'yaml_syntax', message: lowerFirst(error.message), broken: null };
  }
}

function tag(error: YAMLError, source: YamlSource, range: TextRange): ExplainedError {
  const text = source.text.slice(range.start, range.end);
  const broken = source.pathAt(range.start);
  if (text.startsWith('!!') || text.startsWith('!<')) {
    return { range, code: 'yaml_tag', message: `the tag ${text} is not accepted`, broken };
  }
  if (/^![A-Za-z]+[ \t]+[\w"'$./-]/.test(lineFrom(source, range.start))) {
    const hint = 'there are no tags: a variable is written ${NAME}, the text of a file ${file:/path}';
    return {
      range,
      code: 'yaml_tag',
      message: `the tag ${text} is not known`,
      hint,
      broken,
      ...mendLine(source, range.start),
    };
  }
  const message = `YAML reads ${text} as a tag, since it begins with !`;
  return {
    range,
    code: needsQuotes,
    message,
    hint: quoteHint(restOfLine(source, range.start)),
    broken,
    ...mendLine(source, range.start),
  };
}

function nestedMapping(source: YamlSource, start: number): ExplainedError {
  const rest = lineFrom(source, start);
  const dash = /^[ \t]*- /.exec(rest);
  if (dash && source.position(start).column === 1) {
    const message = 'this entry is indented unlike the ones above it';
    return broken(source, start, message, 'entries of one list start at the same column');
  }
  const isConditional = /\s\?\s.*\s:\s/.test(rest);
  const message = isConditional
    ? 'YAML reads the ":" of a ? b : c as a key with a value'
    : 'YAML reads the ": " in this value as a key with a value';
  const isFlow = restOfLine(source, start) === null;
  const inFlow = isFlow && (isConditional || looksLikeExpression(rest)) ? flowValue(source, start) : null;
  const hint =
    isConditional || looksLikeExpression(rest)
      ? quoteHint(inFlow ?? restOfLine(source, start))
      : isFlow
        ? 'inside { } separate entries by commas, and give what is below a key its own { }'
        : 'put the value in quotes, or the key on a line of its own';
  const path = source.pathAt(start);
  const whole = inFlow ?? restOfLine(source, start);
  const end = start + (whole ?? rest.replace(/[\s\]},]*$/, '')).length;
  return {
    range: { start, end },
    code: isConditional ? needsQuotes : 'yaml_syntax',
    message,
    hint,
    broken: path.slice(0, -1),
    ...(inFlow === null ? mendLine(source, start) : { mend: { start, end } }),
  };
}

/** The structure broke at an offset: told of the line that is at fault, else of the next one that holds anything. */
function broken(source: YamlSource, offset: number, message: string, hint: string): ExplainedError {
  const number = contentLine(source, offset);
  const range = number === null ? { start: offset, end: offset } : rangeOfLine(source, number);
  const fault = number === null ? null : faultAbove(source, number);
  return { range, message, hint, ...fault, code: 'yaml_syntax', broken: null };
}

/** A value with a deeper indented key below it: the second line is the one to mend. */
function indentedUnderValue(source: YamlSource, start: number): ExplainedError {
  const nextLine = source.text.indexOf('\n', start) + 1;
  const { line } = source.position(start);
  const message = `this line is indented as if it belonged to the value on line ${line}`;
  const hint = 'start it below the key of the line above, or remove that value';
  return broken(source, nextLine === 0 ? start : nextLine, message, hint);
}

function textAfterValue(error: YAMLError, source: YamlSource, range: TextRange): ExplainedError {
  if (error.message.includes('flow-seq-start') || error.message.includes('flow-map-start'))
    return bracketInFlow(source, range);
  const before = source.text.slice(0, range.start).trimEnd();
  const last = before.at(-1) ?? '';
  if (error.message.includes('node end') && ['"', "'", ']', '}'].includes(last))
    return textAfterClosing(source, range, before);
  const sign = source.text[range.start] ?? '';
  if (sign === '}' || sign === ']')
    return { range, code: 'yaml_syntax', message: `this ${sign} closes nothing`, hint: 'remove it', broken: null };
  if (sign === '-' && last === ':') {
    const message = 'a list can not begin on the line of its key';
    return { range, code: 'yaml_syntax', message, hint: 'begin it on the next line', broken: null };
  }
  const lineStart = before.lastIndexOf('\n') + 1;
  const marked = markedValue(source, before, lineStart);
  if (marked !== null) return marked;
  const message = 'this text belongs to nothing';
  const hint = 'check the indentation, and that brackets and quotes are closed';
  const isLineStart =
    /^[ \t]*$/.test(source.text.slice(lineStart, range.start)) || source.position(range.start).column === 1;
  if (isLineStart) return broken(source, range.start, message, hint);
  return { range, code: 'yaml_syntax', message, hint, broken: null };
}

/** Inside `{ }` a further bracket where none may stand. */
function bracketInFlow(source: YamlSource, range: TextRange): ExplainedError {
  if (source.text[range.start - 1] === '$') {
    const variable = /^\$\{[^}\s]*\}/.exec(source.text.slice(range.start - 1))?.[0] ?? '${';
    const message = 'inside { } YAML reads ${ as the start of a mapping';
    const shown = { start: range.start - 1, end: range.start - 1 + variable.length };
    return { range: shown, code: 'yaml_syntax', message, hint: `put it in quotes: '${variable}'`, broken: null };
  }
  const message = `inside { } a ${source.text[range.start] ?? '['} starts a list or mapping of its own`;
  return { range, code: needsQuotes, message, hint: quoteHint(null), broken: null };
}

/** An expression that begins with a quote or bracket, which YAML takes for the whole value. `before` ends in its closing. */
function textAfterClosing(source: YamlSource, range: TextRange, before: string): ExplainedError {
  const last = before.at(-1)!;
  const path = source.pathAt(before.length - 1);
  const valueStart = source.locate(path, 'value').start;
  const rest = restOfLine(source, range.start);
  const inFlow = rest === null ? flowValue(source, valueStart) : null;
  const whole = inFlow ?? source.text.slice(valueStart, range.start) + (rest ?? '');
  const text = rest ?? inFlow?.slice(range.start - valueStart) ?? source.text.slice(range.start, range.end);
  const message = `YAML ends the value before this text, since it begins with ${source.text[valueStart] ?? 'a quote'}`;
  const isInside = path.length > 0 && !whole.includes('\n') && (rest ?? inFlow) !== null;
  // "a == "b"": without a space between, the quotes within were meant as part of the expression.
  const isNested = before.length === range.start && whole.length > 2 && whole.endsWith(last) && /["']/.test(last);
  return {
    range: { start: range.start, end: range.start + text.length },
    code: needsQuotes,
    message,
    hint: quoteHint(isInside ? (isNested ? whole.slice(1, -1) : whole) : null),
    broken: path,
    ...(isInside ? { mend: { start: valueStart, end: valueStart + whole.length } } : {}),
  };
}

/** A value that begins with a sign that means something to YAML: an alias, an anchor or a block of text. */
function markedValue(source: YamlSource, before: string, lineStart: number): ExplainedError | null {
  const line = before.slice(lineStart);
  const marked = /(?<=[:-] +)[*&]\S*/.exec(line);
  if (marked) {
    const [word] = marked;
    const start = lineStart + marked.index;
    return {
      range: withinLine(source.text, start, start + word.length),
      code: needsQuotes,
      message: `YAML reads ${word} as ${word.startsWith('*') ? 'an alias' : 'an anchor'}, since it begins with ${word[0] ?? ''}`,
      hint: quoteHint(restOfLine(source, start)),
      broken: source.pathAt(start),
      ...mendLine(source, start),
    };
  }
  if (!/(?<=: +|- +)[|>][+-]?$/.test(line)) return null;
  const start = before.length - 1;
  const whole = restOfLine(source, start);
  return {
    range: { start, end: start + (whole?.length ?? 1) },
    code: needsQuotes,
    message: `YAML reads ${source.text[start]!} as the beginning of a text on the lines below`,
    hint: quoteHint(whole),
    broken: source.pathAt(start),
    ...mendLine(source, start),
  };
}

function missingCharacter(error: YAMLError, source: YamlSource, range: TextRange): ExplainedError {
  const quote = /Missing closing (["'])/.exec(error.message)?.[1];
  if (quote === undefined) {
    if (/must end with a [\]}]/.test(error.message)) return neverClosed(source, openBracket(source.text, range.start));
    if (error.message.includes('Implicit map keys')) return noKey(source, range);
    if (error.message.startsWith('Sequence item without')) {
      const hint = 'keys of one entry start at the same column';
      return broken(source, range.start, 'this line belongs to no entry of the list above it', hint);
    }
    if (error.message.startsWith('Comments must')) {
      const message = 'a # directly behind a value is no comment';
      return { range, code: 'yaml_syntax', message, hint: 'write a space before the #', broken: null };
    }
    const cut = error.message.includes('between flow') ? cutByComma(source, range.start) : null;
    if (cut !== null) return cut;
    const isComma = error.message.startsWith('Missing ,');
    const hint = isComma ? { hint: 'write a "," after the entry before it' } : {};
    return { range, code: 'yaml_syntax', message: lowerFirst(error.message), ...hint, broken: null };
  }
  const { start } = source.locate(source.pathAt(range.start - 1), 'value');
  return {
    range: { start, end: start + 1 },
    code: 'yaml_syntax',
    message: `this ${quote} is never closed`,
    hint: `end the text with ${quote}`,
    broken: null,
  };
}

/** A line without a ": ": as a rule the rest of an expression. */
function noKey(source: YamlSource, range: TextRange): ExplainedError {
  const before = source.text.slice(0, range.start).trimEnd();
  const isContinued =
    /(?:&&|\|\||==|[!<>]=|[+*/<>(,?]|\S[ \t]*-)$/.test(before) ||
    /^(?:&&|\|\||==|[<>+*?:)])/.test(lineFrom(source, range.start));
  return {
    range,
    code: 'yaml_syntax',
    message: isContinued
      ? 'this line goes on with the value above, but is not indented below its key'
      : 'this line is neither a key with a value nor the end of one',
    hint: isContinued ? 'indent it further than the key of that value' : keyHint(lineFrom(source, range.start)),
    broken: null,
  };
}

function badIndent(error: YAMLError, source: YamlSource, range: TextRange): ExplainedError {
  const flow = /end with a ([\]}])/.exec(error.message)?.[1];
  if (flow === undefined) {
    const hint = 'entries of one mapping or list start at the same column';
    return broken(source, range.start, 'this line is indented unlike its neighbours', hint);
  }
  const opening = flow === '}' ? '{' : '[';
  const at = openBracket(source.text, range.start);
  // What begins a key or an entry is no part of what stands in brackets.
  const rest = source.text.slice(range.start).trim();
  if (rest === '' || /^(?:[\w-]+\s*:(?:\s|$)|-\s)/.test(rest)) return neverClosed(source, at);
  const { line } = source.position(Math.max(0, at));
  return {
    range,
    code: 'yaml_syntax',
    message: `the ${opening} of line ${line} must be closed with ${flow} before this`,
    broken: null,
  };
}

const neverClosed = (source: YamlSource, at: number): ExplainedError => ({
  range: { start: at, end: at + 1 },
  code: 'yaml_syntax',
  message: `this ${source.text[at] ?? '{'} is never closed`,
  hint: `close it with ${source.text[at] === '[' ? ']' : '}'}`,
  broken: null,
});

/** The value that a comma has cut, where one of those of the innermost `{ }` or `[ ]` around an offset is. */
function cutByComma(source: YamlSource, offset: number): ExplainedError | null {
  const open = openBracket(source.text, offset) + 1;
  const inside = source.text.slice(open, offset);
  for (const { index, 0: before } of inside.matchAll(/(?:^|,)\s*(?:[\w"'-]+:\s+)?/g)) {
    const start = open + index + before.length;
    const comma = source.text.indexOf(',', start);
    if (comma === -1 || comma > offset || !isCutOff(source.text.slice(start, comma))) continue;
    const whole = flowValue(source, start);
    return {
      range: { start, end: comma + 1 },
      code: needsQuotes,
      message: cutByCommaMessage,
      hint: quoteHint(whole),
      broken: null,
      ...(whole !== null && { mend: { start, end: start + whole.length } }),
    };
  }
  return null;
}

function withinLine(text: string, start: number, end: number): TextRange {
  const lineEnd = text.slice(start, end).search(/\s*\r?\n/);
  return { start, end: lineEnd === -1 ? end : start + lineEnd };
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
