import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { errorsPage } from '../schemas/errors-page.ts';
import { errorTable } from '../src/errors.ts';

const root = join(import.meta.dirname, '..');
const files = globSync('src/**/*.{ts,tsx}', { cwd: root }).filter((file) => file !== 'src/errors.ts');
const sources = files.map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') }));

/** Calls that name a code among their first three arguments, as a literal or a choice of two. */
const callWithCode =
  /(?:\b(?:new \w+(?:Error|Failed)|\w*[Ff]ail\w*|\w*[Pp]roblem)|\.(?:at|inSource|dead|problem|warning)|\blog\.(?:warn|error)|#log\.(?:warn|error))\(/g;
const code = String.raw`'([a-z][a-z0-9]*(?:_[a-z0-9]+)*)'`;
const argument = new RegExp(`^(?:.*\\? ?${code} ?: ?)?${code}$`, 's');
const property = new RegExp(`\\b[cC]ode: (?:[^,;{}]*\\? ?${code} ?: ?)?${code}`, 'g');

/** The arguments of the call whose parenthesis opens before `start`, at most three. */
function firstArguments(text: string, start: number): readonly string[] {
  const found: string[] = [];
  let depth = 0;
  let from = start;
  for (const { 0: token, index } of text.slice(start).matchAll(/'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|[()[\]{},]/g)) {
    const at = start + index;
    if (depth === 0 && (token === ',' || token === ')')) {
      found.push(text.slice(from, at).trim());
      from = at + 1;
      if (token === ')' || found.length === 3) return found;
    } else if ('([{'.includes(token)) depth++;
    else if (')]}'.includes(token)) depth--;
  }
  return found;
}

function codesIn(text: string): readonly string[] {
  const calls = [...text.matchAll(callWithCode)].flatMap(({ 0: call, index }) =>
    firstArguments(text, index + call.length).map((written) => argument.exec(written)),
  );
  return [...calls, ...text.matchAll(property)]
    .flatMap((match) => [match?.[1], match?.[2]])
    .filter((name) => name !== undefined);
}

describe('the table of errors', () => {
  it('has every code that is given to a user anywhere in src', () => {
    const missing = sources.flatMap(({ file, text }) =>
      codesIn(text)
        .filter((name) => !Object.hasOwn(errorTable, name))
        .map((name) => `${name} in ${file}`),
    );
    expect([...new Set(missing)]).toEqual([]);
    const found = new Set(sources.flatMap(({ text }) => codesIn(text)));
    // Not an empty harvest: most of the table stands in one of these calls.
    expect(found.size).toBeGreaterThan(Object.keys(errorTable).length * 0.7);
  });

  it('has no code that nothing in src uses', () => {
    const all = sources.map(({ text }) => text).join('\n');
    expect(Object.keys(errorTable).filter((name) => !all.includes(`'${name}'`))).toEqual([]);
  });

  it('says in sentences what each means and what to do', () => {
    for (const [name, { meaning, hint }] of Object.entries(errorTable)) {
      expect(meaning, name).toMatch(/^[A-Z0-9`].*\.$/);
      expect(hint, name).toMatch(/\S/);
    }
  });

  it('is what docs/errors.md shows (`npm run schemas`)', () => {
    expect(readFileSync(join(root, 'docs/errors.md'), 'utf8')).toBe(errorsPage());
  });
});
