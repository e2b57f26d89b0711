import type { ReactNode } from 'react';
import { runbookCommand, runbookFor } from '../../runtime/runbooks.ts';
import type { StatusEvent, StatusSnapshot } from '../../runtime/status.ts';
import { formatClock, formatCount } from '../format.ts';
import { gist } from '../text.ts';
import { verdict } from '../verdict.ts';
import type { KeyState } from './keys.ts';
import type { PanelSize } from './layout.ts';
import { Title } from './line.tsx';
import { panelList } from './panel-list.ts';
import { Table, type Column } from './table.tsx';

export function eventsSize(count: number): PanelSize {
  return { min: 1 + Math.min(1, count), want: 1 + count };
}

/** What happened last, newest first, each with the runbook that fits; beside the title the one for what is worst now. */
export function Events(props: {
  readonly snapshot: StatusSnapshot;
  readonly rows: number;
  readonly keys: KeyState;
}): ReactNode {
  const { snapshot, rows, keys } = props;
  const room = rows - 1;
  const { shown, rest, isSelected, focused, words } = panelList('events', snapshot, keys, room);
  const { runbook } = verdict(snapshot);
  return (
    <>
      <Title
        name="EVENTS"
        note={snapshot.events.length === 0 ? 'none' : ''}
        right={[words, runbook === null ? '' : runbookCommand(runbook)].filter(Boolean).join('   ')}
        focused={focused}
      />
      <Table
        columns={columns(snapshot)}
        // Older ones say little: a row for how many there are would cost the oldest that is shown.
        rows={[...shown, ...rest].slice(0, room)}
        isWrong={(event) => event.level !== 'info'}
        isSelected={isSelected}
        header={false}
      />
    </>
  );
}

const LEVELS = { info: '', warn: 'WARN ', error: 'ERROR ' } as const;

const times = ({ times: count = 1 }: StatusEvent): string => (count === 1 ? '' : ` (${formatCount(count)} times)`);

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
      text: (event) => `${LEVELS[event.level]}${gist(event.message, 60)}${times(event)}`,
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
