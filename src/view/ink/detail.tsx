import { useContext, type ReactNode } from 'react';
import { displayWidth } from '../text.ts';
import type { Detail } from './detail-of.ts';
import { Line, ScreenContext, type Span, Title } from './line.tsx';

const LABEL_CELLS = 16;
/** Of one fact; the rest of it is cut. */
const LINES_MAX = 12;

/** All about one line, and what to run. What does not fit is left out below; the commands come first then. */
export function DetailPanel({ detail, rows }: { readonly detail: Detail; readonly rows: number }): ReactNode {
  const { columns } = useContext(ScreenContext);
  const { title, facts, commands } = detail;
  const toRun = commands.flatMap(([command, purpose]) => commandLines(command, purpose, columns));
  const commandRows = toRun.length === 0 ? 0 : toRun.length + 2;
  const lines = facts
    .flatMap(([label, text]) =>
      wrapped(text, columns - LABEL_CELLS - 1)
        .slice(0, LINES_MAX)
        .map((line, index) => ({ label: index === 0 ? label : '', line })),
    )
    .slice(0, Math.max(1, rows - 1 - commandRows));
  return (
    <>
      <Title name={title} focused />
      {lines.map(({ label, line }, index) => (
        <Line key={index} spans={[{ text: `   ${label.padEnd(LABEL_CELLS - 3)}`, tone: 'dim' }, { text: line }]} />
      ))}
      {toRun.length > 0 && <Line spans={[{ text: ' ' }]} />}
      {toRun.length > 0 && <Line spans={[{ text: '   to run', tone: 'dim' }]} />}
      {toRun.map((spans, index) => (
        <Line key={index} spans={spans} />
      ))}
    </>
  );
}

/** A command is never cut, since it is to be copied; what it is for may be left out. */
function commandLines(command: string, purpose: string, columns: number): readonly (readonly Span[])[] {
  const [line = '', ...more] = wrapped(command, columns - 4);
  const note = `   # ${purpose}`;
  const fits = more.length === 0 && 3 + displayWidth(line) + displayWidth(note) <= columns;
  return [
    [{ text: `   ${line}`, tone: 'strong' }, ...(fits ? [{ text: note, tone: 'dim' } as const] : [])],
    ...more.map((text): readonly Span[] => [{ text: `   ${text}`, tone: 'strong' }]),
  ];
}

/** In lines of so many cells, broken anywhere: a value has few spaces. */
function wrapped(text: string, room: number): readonly string[] {
  const lines = [''];
  let cells = 0;
  for (const character of text) {
    const width = displayWidth(character);
    if (cells + width > room) {
      lines.push('');
      cells = 0;
    }
    lines[lines.length - 1] += character;
    cells += width;
  }
  return lines;
}
