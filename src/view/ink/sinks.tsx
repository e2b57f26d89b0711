import type { ReactNode } from 'react';
import type { SinkStatus, StatusSnapshot } from '../../runtime/status.ts';
import { formatCount, formatLatency, formatRate } from '../format.ts';
import { fitItems, type PanelSize } from './layout.ts';
import { Line, Title } from './line.tsx';
import { Table, type Column } from './table.tsx';

export function sinksSize(snapshot: StatusSnapshot): PanelSize {
  const count = snapshot.sinks.length;
  return { min: 2 + Math.min(3, count), want: 2 + count };
}

/** Which sink is slow or down, since what, and when is it tried again? */
export function Sinks(props: {
  readonly snapshot: StatusSnapshot;
  readonly rows: number;
  readonly focused: boolean;
  readonly offset: number;
}): ReactNode {
  const { snapshot, rows, focused, offset } = props;
  const { shown, rest } = fitItems(inOrder(snapshot.sinks, rows - 2), rows - 2, offset);
  return (
    <>
      <Title name="SINKS" note="rows/s" focused={focused} />
      <Table columns={COLUMNS} rows={shown} isWrong={(sink) => sink.state !== 'OK'} />
      {rest.length > 0 && <Line spans={[{ text: `   +${rest.length} ${rest.map((sink) => sink.name).join(' ')}` }]} />}
    </>
  );
}

/** The order of the file where all fit, else what is wrong first. */
function inOrder(sinks: readonly SinkStatus[], room: number): readonly SinkStatus[] {
  return sinks.length <= room ? sinks : sinks.toSorted((a, b) => Number(a.state === 'OK') - Number(b.state === 'OK'));
}

const COLUMNS: readonly Column<SinkStatus>[] = [
  {
    title: '',
    align: 'left',
    width: 13,
    widest: 30,
    text: (sink) => `${sink.name}${sink.required ? '' : ' (optional)'}`,
  },
  { title: 'ROWS', align: 'right', width: 8, text: (sink) => formatRate(sink.rowsPerSecond) },
  { title: 'BATCH', align: 'right', width: 7, drop: 1, text: (sink) => formatCount(sink.batchRows) },
  { title: 'WRITE P95', align: 'right', width: 10, drop: 3, text: (sink) => formatLatency(sink.writeP95Ms) },
  { title: 'RETRIES', align: 'right', width: 8, drop: 2, text: (sink) => formatCount(sink.retries) },
  { title: 'BEHIND', align: 'right', width: 10, text: (sink) => formatCount(sink.behindRows) },
  {
    title: '   STATE',
    align: 'left',
    width: 24,
    text: (sink) => `   ${sink.state} ${sink.note}`,
    tone: (sink) => (sink.state === 'OK' ? 'good' : 'bad'),
  },
];
