import type { ReactNode } from 'react';
import type { StatusEvent, StatusSnapshot } from '../../runtime/status.ts';
import { formatClock } from '../format.ts';
import type { PanelSize } from './layout.ts';
import { Title } from './line.tsx';
import { Table, type Column } from './table.tsx';

export function eventsSize(snapshot: StatusSnapshot): PanelSize {
  const count = snapshot.events.length;
  return { min: 1 + Math.min(1, count), want: 1 + count };
}

/** What happened last, newest first. */
export function Events(props: {
  readonly snapshot: StatusSnapshot;
  readonly rows: number;
  readonly focused: boolean;
  readonly offset: number;
}): ReactNode {
  const { snapshot, rows, focused, offset } = props;
  return (
    <>
      <Title name="EVENTS" note={snapshot.events.length === 0 ? 'none' : ''} focused={focused} />
      <Table
        columns={columns(snapshot.atMs)}
        rows={snapshot.events.slice(offset, offset + rows - 1)}
        isWrong={(event) => event.level !== 'info'}
        header={false}
      />
    </>
  );
}

const LEVELS = { info: '', warn: 'WARN ', error: 'ERROR ' } as const;

function columns(nowMs: number): readonly Column<StatusEvent>[] {
  return [
    { title: '', align: 'left', width: 9, widest: 12, text: (event) => formatClock(event.atMs, nowMs) },
    { title: '', align: 'left', width: 16, widest: 24, drop: 1, text: (event) => event.code },
    {
      title: '',
      align: 'left',
      width: 40,
      text: (event) => `${LEVELS[event.level]}${event.message}`,
      tone: (event) => (event.level === 'error' ? 'bad' : 'plain'),
    },
  ];
}
