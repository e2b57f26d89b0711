import type { ReactNode } from 'react';
import { runbookCommand, runbookFor } from '../../runtime/runbooks.ts';
import type { StatusEvent, StatusSnapshot } from '../../runtime/status.ts';
import { formatClock } from '../format.ts';
import { verdict } from '../verdict.ts';
import type { PanelSize } from './layout.ts';
import { Title } from './line.tsx';
import { Table, type Column } from './table.tsx';

export function eventsSize(snapshot: StatusSnapshot): PanelSize {
  const count = snapshot.events.length;
  return { min: 1 + Math.min(1, count), want: 1 + count };
}

/** What happened last, newest first, each with the runbook that fits; beside the title the one for what is worst now. */
export function Events(props: {
  readonly snapshot: StatusSnapshot;
  readonly rows: number;
  readonly focused: boolean;
  readonly offset: number;
}): ReactNode {
  const { snapshot, rows, focused, offset } = props;
  const { runbook } = verdict(snapshot);
  return (
    <>
      <Title
        name="EVENTS"
        note={snapshot.events.length === 0 ? 'none' : ''}
        right={runbook === null ? '' : runbookCommand(runbook)}
        focused={focused}
      />
      <Table
        columns={columns(snapshot)}
        rows={snapshot.events.slice(offset, offset + rows - 1)}
        isWrong={(event) => event.level !== 'info'}
        header={false}
      />
    </>
  );
}

const LEVELS = { info: '', warn: 'WARN ', error: 'ERROR ' } as const;

/** Nothing for what is no trouble. */
function hint({ level, code }: StatusEvent): string {
  const runbook = level === 'info' ? null : runbookFor(code);
  return runbook === null ? '' : runbookCommand(runbook);
}

function columns({ atMs, events }: StatusSnapshot): readonly Column<StatusEvent>[] {
  const hasHints = events.some((event) => hint(event) !== '');
  return [
    { title: '', align: 'left', width: 9, widest: 12, text: (event) => formatClock(event.atMs, atMs) },
    { title: '', align: 'left', width: 16, widest: 24, drop: 1, text: (event) => event.code },
    {
      title: '',
      align: 'left',
      // Before the message is cut for its hint, the code goes, and then the hint.
      width: hasHints ? 56 : 40,
      grow: true,
      text: (event) => `${LEVELS[event.level]}${event.message}`,
      tone: (event) => (event.level === 'error' ? 'bad' : 'plain'),
    },
    {
      title: '',
      align: 'left',
      width: 0,
      widest: 40,
      drop: 2,
      text: hint,
    },
  ];
}
