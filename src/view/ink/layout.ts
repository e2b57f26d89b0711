/** The panels in the order in which they stand. */
export const PANELS = ['stages', 'partitions', 'sinks', 'deadLetters', 'events'] as const;
export type Panel = (typeof PANELS)[number];

/** Rows of a panel, its title included. */
export interface PanelSize {
  /** With fewer the panel is left out. */
  readonly min: number;
  /** With more there would be nothing to show. */
  readonly want: number;
}

/** What a low screen does without first: what the first line says anyway, then what tells least. */
const LEFT_OUT_FIRST: readonly Panel[] = ['events', 'deadLetters', 'stages', 'partitions', 'sinks'];
/** Who gets the next row that is free. */
const NEXT_ROW: readonly Panel[] = ['partitions', 'deadLetters', 'stages', 'sinks', 'events'];

/** Shares `available` rows: never more in sum; 0 for a panel that is left out. The panel with the focus comes first. */
export function allocate(
  sizes: Readonly<Record<Panel, PanelSize>>,
  available: number,
  focus: Panel | null,
): Readonly<Record<Panel, number>> {
  const rows = { stages: 0, partitions: 0, sinks: 0, deadLetters: 0, events: 0 };
  for (const panel of PANELS) rows[panel] = sizes[panel].min;
  let spare = available - PANELS.reduce((sum, panel) => sum + rows[panel], 0);
  for (const panel of [...LEFT_OUT_FIRST.filter((panel) => panel !== focus), ...(focus === null ? [] : [focus])]) {
    if (spare >= 0) break;
    spare += rows[panel];
    rows[panel] = 0;
  }
  if (focus !== null && rows[focus] > 0) {
    const more = Math.min(spare, sizes[focus].want - rows[focus]);
    rows[focus] += more;
    spare -= more;
  }
  for (;;) {
    const open = NEXT_ROW.filter((panel) => rows[panel] > 0 && rows[panel] < sizes[panel].want);
    if (open.length === 0 || spare <= 0) return rows;
    for (const panel of open.slice(0, spare)) {
      rows[panel]++;
      spare--;
    }
  }
}

/**
 * What of a list fits into `room` rows, the selected item among it, and the rest behind it that one more row has to sum up. A
 * single row shows an item instead: it says more than how many there are.
 */
export function fitItems<Item>(
  items: readonly Item[],
  room: number,
  selected: number,
): { readonly before: number; readonly shown: readonly Item[]; readonly rest: readonly Item[] } {
  if (items.length <= room) return { before: 0, shown: items, rest: [] };
  const visible = room <= 1 ? Math.max(0, room) : room - 1;
  const before = Math.max(0, Math.min(selected - visible + 1, items.length - room));
  const left = items.slice(before);
  if (left.length <= room) return { before, shown: left, rest: [] };
  return { before, shown: left.slice(0, visible), rest: room <= 1 ? [] : left.slice(visible) };
}
