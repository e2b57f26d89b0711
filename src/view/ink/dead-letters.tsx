import type { ReactNode } from 'react';
import type { DeadLetterCause, StatusSnapshot } from '../../runtime/status.ts';
import { formatClock, formatCount, formatRateWithUnit } from '../format.ts';
import { fitItems, type PanelSize } from './layout.ts';
import { Line, Title } from './line.tsx';
import { Table, type Column } from './table.tsx';

export function deadLettersSize(snapshot: StatusSnapshot): PanelSize {
  const count = snapshot.deadLetters.causes.length;
  return { min: 1 + Math.min(1, count), want: 1 + count };
}

/** Why do records fail, and does it go on? One line a cause, what grows fastest first. */
export function DeadLetters(props: {
  readonly snapshot: StatusSnapshot;
  readonly rows: number;
  readonly focused: boolean;
  readonly offset: number;
}): ReactNode {
  const { snapshot, rows, focused, offset } = props;
  const { total, perSecond, destination, causes } = snapshot.deadLetters;
  const ordered = causes.toSorted((a, b) => b.perSecond - a.perSecond || b.count - a.count);
  const { shown, rest } = fitItems(ordered, rows - 1, offset);
  const others = rest.reduce((count, cause) => count + cause.count, 0);
  const growth = perSecond > 0 ? ` (+${formatRateWithUnit(perSecond)})` : '';
  return (
    <>
      <Title
        name="DEAD LETTERS"
        note={total === 0 ? 'none' : `${formatCount(total)}${growth}`}
        right={total === 0 ? '' : destination}
        focused={focused}
      />
      <Table columns={columns(snapshot.atMs)} rows={shown} isWrong={(cause) => cause.perSecond > 0} header={false} />
      {rest.length > 0 && (
        <Line spans={[{ text: `   +${formatCount(rest.length)} causes, ${formatCount(others)} dead letters` }]} />
      )}
    </>
  );
}

function columns(nowMs: number): readonly Column<DeadLetterCause>[] {
  return [
    { title: '', align: 'left', width: 5, widest: 9, text: (cause) => cause.fingerprint },
    { title: '', align: 'right', width: 8, text: (cause) => formatCount(cause.count) },
    { title: '', align: 'right', width: 9, text: (cause) => formatRateWithUnit(cause.perSecond) },
    // While it goes on the question is since when, afterwards when it ended.
    {
      title: '',
      align: 'right',
      width: 18,
      drop: 1,
      text: (cause) =>
        cause.perSecond > 0
          ? `since ${formatClock(cause.firstAtMs, nowMs)}`
          : `last ${formatClock(cause.lastAtMs, nowMs)}`,
    },
    { title: '', align: 'left', width: 12, widest: 24, text: (cause) => `  ${cause.stage}` },
    { title: '', align: 'left', width: 18, text: (cause) => ` ${cause.message}` },
  ];
}
