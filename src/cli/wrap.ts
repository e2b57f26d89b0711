import { displayWidth, printable } from '../view/text.ts';

/** Columns of the terminal, within what reads well; 100 where there is none. */
export const outputWidth = (): number => Math.min(Math.max(process.stdout.columns ?? 100, 40), 140);

/** Sentences in lines of at most `width` columns, each indented, with a line break at the end. Longer words stay whole. */
export function wrapped(text: string, width: number, indent: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of printable(text, true).split(/ (?! )/)) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && displayWidth(longer) + indent > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  lines.push(line);
  return lines.map((each) => `${' '.repeat(indent)}${each}\n`).join('');
}
