import { useContext, type ReactNode } from 'react';
import { displayWidth, fit } from '../text.ts';
import { Line, ScreenContext, type Span, type Tone } from './line.tsx';

export interface Column<Row> {
  readonly title: string;
  readonly align: 'left' | 'right';
  /** Cells it takes, the gap to its left included. A column with `widest` grows to its longest text. */
  readonly width: number;
  readonly widest?: number;
  /** The order in which columns go when the screen is narrow: 1 goes first; without it the column stays. */
  readonly drop?: number;
  /** It takes the room that is left, in place of a last column of text. */
  readonly grow?: boolean;
  readonly text: (row: Row) => string;
  readonly tone?: (row: Row) => Tone;
}

/**
 * Rows under one header. Each row begins with `!` where `isWrong`; a last column of left-aligned text takes the room
 * that is left. `header: false` leaves the header out.
 */
export function Table<Row>(props: {
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly isWrong: (row: Row) => boolean;
  /** The row j and k have moved to: pointed at. Default: none. */
  readonly isSelected?: (row: Row) => boolean;
  readonly header?: boolean;
}): ReactNode {
  const screen = useContext(ScreenContext);
  const columns = fitColumns(props.columns, props.rows, screen.columns);
  return (
    <>
      {props.header !== false && (
        <Line
          spans={[{ text: MARKS.none }, ...columns.map((column) => cell(column, column.title, 'dim', screen.unicode))]}
        />
      )}
      {props.rows.map((row, index) => (
        <Line
          key={index}
          spans={[
            ...mark(props.isWrong(row), props.isSelected?.(row) === true),
            ...columns.map((column) => cell(column, column.text(row), column.tone?.(row) ?? 'plain', screen.unicode)),
          ]}
        />
      ))}
    </>
  );
}

const MARKS = { none: '   ' } as const;

function mark(isWrong: boolean, isSelected: boolean): readonly Span[] {
  return [
    { text: isSelected ? '>' : ' ', tone: 'strong' },
    { text: isWrong ? '! ' : '  ', tone: 'bad' },
  ];
}

function cell<Row>(column: Column<Row>, text: string, tone: Tone, unicode: boolean): Span {
  // A left-aligned column keeps one cell free behind it, a right-aligned one in front.
  const inner = fit(text, column.width - 1, column.align, unicode);
  return { text: column.align === 'left' ? `${inner} ` : ` ${inner}`, tone };
}

function fitColumns<Row>(columns: readonly Column<Row>[], rows: readonly Row[], room: number): readonly Column<Row>[] {
  let kept: readonly Column<Row>[] = columns.map((column) => ({ ...column, width: naturalWidth(column, rows) }));
  const needed = (): number => kept.reduce((cells, column) => cells + column.width, MARKS.none.length);
  while (needed() > room) {
    const next = kept
      .filter((column) => column.drop !== undefined)
      .toSorted((a, b) => (a.drop ?? 0) - (b.drop ?? 0))[0];
    if (next === undefined) break;
    kept = kept.filter((column) => column !== next);
  }
  const last = kept.at(-1);
  const growing = kept.find(({ grow }) => grow) ?? (last?.align === 'left' ? last : undefined);
  const spare = room - needed();
  return kept.map((column) => (column === growing ? { ...column, width: Math.max(1, column.width + spare) } : column));
}

function naturalWidth<Row>(column: Column<Row>, rows: readonly Row[]): number {
  if (column.widest === undefined) return column.width;
  const longest = Math.max(0, ...rows.map((row) => displayWidth(column.text(row)) + 1));
  return Math.max(column.width, Math.min(column.widest, longest));
}
