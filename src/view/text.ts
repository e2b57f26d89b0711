import { stripVTControlCharacters } from 'node:util';

/**
 * Text that came from data (topic names, messages of databases and drivers) as it may be shown: escape sequences and
 * control characters would move the cursor or retitle the window, bidirectional overrides would reorder the line. In
 * ASCII, what can't be shown becomes `?`.
 */
export function printable(text: string, unicode: boolean): string {
  if (/^[ -~]*$/.test(text)) return text;
  const safe = stripVTControlCharacters(text.toWellFormed())
    .replace(/\s+/g, ' ')
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '');
  return unicode ? safe : safe.replace(/[^ -~]/gu, '?');
}

/** The same value with every text in it made printable: the one gate between a snapshot and a screen. */
export function printableDeep<Value>(value: Value, unicode: boolean): Value {
  if (typeof value === 'string') return printable(value, unicode) as Value;
  if (Array.isArray(value)) return value.map((item: unknown) => printableDeep(item, unicode)) as Value;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, printableDeep(item, unicode)])) as Value;
}

// East Asian wide characters and emoji take two cells, combining marks none (Unicode TR 11, the ranges terminals agree on).
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;

/** Cells a printable text takes on a terminal. */
export function displayWidth(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  let cells = 0;
  for (const character of text) cells += cellsOf(character);
  return cells;
}

/**
 * The gist of an error for a narrow column, as `doing this: doing that: the cause`: what was being done is left out
 * before the cause is cut. System errors without their address, which the whole message has.
 */
export function gist(text: string, cellsMax: number): string {
  if (displayWidth(text) <= cellsMax) return text;
  const [first = '', ...others] = text.replace(/\bconnect (E[A-Z]+) [^\s,]+/, '$1').split(': ');
  const last = others.at(-1);
  if (last === undefined) return first;
  const both = `${first}: ${last}`;
  return displayWidth(both) <= cellsMax ? both : last;
}

/** Exactly `width` cells: padded with spaces, or cut with a mark that says so. */
export function fit(text: string, width: number, align: 'left' | 'right', unicode: boolean): string {
  const missing = width - displayWidth(text);
  if (missing >= 0) return align === 'left' ? text + ' '.repeat(missing) : ' '.repeat(missing) + text;
  if (width <= 0) return '';
  let kept = '';
  let cells = 0;
  for (const character of text) {
    cells += cellsOf(character);
    if (cells > width - 1) break;
    kept += character;
  }
  return fit(kept + (unicode ? '…' : '~'), width, align, unicode);
}

function cellsOf(character: string): number {
  if (/\p{Mark}/u.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}
