/** `${VAR}` in parsed scalars: never in keys, comments or expressions, so a value can't change the file's structure. */
import type { Replacement } from './problems.ts';

export interface Interpolation {
  readonly text: string;
  /** False when a variable is not set and that is not an error: the text then still holds its `${VAR}`. */
  readonly known: boolean;
  readonly replacements: readonly Replacement[];
  /** Values that came from files. */
  readonly secrets: readonly string[];
  readonly problems: readonly {
    readonly code: string;
    readonly message: string;
    readonly hint?: string;
    readonly start: number;
    readonly end: number;
  }[];
}

export interface InterpolationSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `validate` takes what is not set as unknown and opens no secret file, so that CI needs no secrets. */
  readonly mode: 'validate' | 'run';
  /** Text of a file. Throws when it can't be read. */
  readFile(path: string): string;
}

const reference = /\$(\$?)\{([^}]*)(\}?)/g;
const variable = /^([A-Za-z_][A-Za-z0-9_]*)(?::([-?])(.*))?$/s;

/** Replaces `${VAR}`, `${VAR:-default}`, `${VAR:?message}`, `${file:PATH}`; `$${` stands for `${`. */
export function interpolate(text: string, sources: InterpolationSources): Interpolation | null {
  if (!text.includes('${')) return null;
  const replacements: Replacement[] = [];
  const secrets: string[] = [];
  const problems: Interpolation['problems'][number][] = [];
  let known = true;
  let result = '';
  let copied = 0;
  for (const match of text.matchAll(reference)) {
    const [whole, escaped, body = '', closing] = match;
    const place = { start: match.index, end: match.index + whole.length };
    result += text.slice(copied, match.index);
    copied = place.end;
    const start = result.length;
    if (escaped === '$') result += whole.slice(1);
    else if (closing === '') {
      problems.push({
        code: 'interpolation_syntax',
        message: `\${${body.slice(0, 40)} is not closed`,
        hint: 'write ${NAME}, or $${ for a literal ${',
        ...place,
      });
      result += whole;
    } else {
      const value = lookUp(body, sources);
      if (value.problem) problems.push({ ...value.problem, ...place });
      if (value.secret && value.text) secrets.push(value.text);
      if (value.text === undefined) known = false;
      result += value.text ?? whole;
    }
    replacements.push({ start, end: result.length, sourceStart: place.start, sourceEnd: place.end });
  }
  result += text.slice(copied);
  return { text: result, known: known && problems.length === 0, replacements, secrets, problems };
}

interface LookedUp {
  readonly text?: string;
  readonly secret?: boolean;
  readonly problem?: { readonly code: string; readonly message: string; readonly hint?: string };
}

function lookUp(body: string, sources: InterpolationSources): LookedUp {
  if (body.startsWith('file:')) return fromFile(body.slice('file:'.length), sources);
  const match = variable.exec(body);
  if (!match) {
    const message = `\${${body.slice(0, 40)}} is not a variable`;
    return {
      problem: {
        code: 'interpolation_syntax',
        message,
        hint: 'write ${NAME}, ${NAME:-default}, ${NAME:?message} or ${file:/path}',
      },
    };
  }
  const [, name = '', operator, operand = ''] = match;
  const value = sources.env[name];
  // As in a shell, `:-` and `:?` take an empty variable as unset.
  if (value !== undefined && (value !== '' || operator === undefined)) return { text: value };
  if (operator === '-') return { text: operand };
  if (sources.mode === 'validate') return {};
  const message =
    operator === '?' && operand !== '' ? `${name}: ${operand}` : `the environment variable ${name} is not set`;
  return { problem: { code: 'variable_unset', message } };
}

function fromFile(path: string, sources: InterpolationSources): LookedUp {
  if (sources.mode === 'validate') return {};
  try {
    return { text: sources.readFile(path).replace(/\r?\n$/, ''), secret: true };
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    return { problem: { code: 'secret_file', message: `the file ${path} could not be read (${reason})` } };
  }
}
