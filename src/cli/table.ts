import { displayWidth, fit } from '../view/text.ts';

export interface Column<Row> {
  readonly title: string;
  readonly align: 'left' | 'right';
  readonly cell: (row: Row) => string;
}

/** Rows under a header, each column as wide as its widest cell. Cells must be printable. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const lines = [columns.map(({ title }) => title), ...rows.map((row) => columns.map(({ cell }) => cell(row)))];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => displayWidth(line[index]!))));
  return lines
    .map(
      (line) =>
        line
          .map((cell, index) => fit(cell, widths[index]!, columns[index]!.align, true))
          .join('  ')
          .trimEnd() + '\n',
    )
    .join('');
}
