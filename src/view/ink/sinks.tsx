import type { ReactNode } from 'react';
import type { SinkStatus, StatusSnapshot } from '../../runtime/status.ts';
import { formatCount, formatLatency, formatRate } from '../format.ts';
import { gist } from '../text.ts';
import { slowSink } from '../verdict.ts';
import type { KeyState } from './keys.ts';
import type { PanelSize } from './layout.ts';
import { Line, Title } from './line.tsx';
import { panelList } from './panel-list.ts';
import { Table, type Column } from './table.tsx';

export function sinksSize(count: number): PanelSize {
  return { min: 2 + Math.min(3, count), want: 2 + count };
}

/** Which sink is slow or down, since what, and when is it tried again? */
export function Sinks(props: {
  readonly snapshot: StatusSnapshot;
  readonly rows: number;
  readonly keys: KeyState;
}): ReactNode {
  const { snapshot, rows, keys } = props;
  const { shown, rest, isSelected, focused, words } = panelList('sinks', snapshot, keys, rows - 2);
  const slow = slowSink(snapshot)?.name;
  const lines = shown.map((sink) => ({ ...sink, isSelected: isSelected(sink), isSlow: sink.name === slow }));
  return (
    <>
      <Title name="SINKS" note="rows/s" right={words} focused={focused} />
      <Table columns={COLUMNS} rows={lines} isWrong={isWrong} isSelected={(line) => line.isSelected} />
      {rest.length > 0 && <Line spans={[{ text: `   +${rest.length} ${rest.map((sink) => sink.name).join(' ')}` }]} />}
    </>
  );
}

interface SinkLine extends SinkStatus {
  readonly isSelected: boolean;
  /** The pipeline waits for it, though it answers. */
  readonly isSlow: boolean;
}

const isWrong = ({ state, isSlow }: SinkLine): boolean => state !== 'OK' || isSlow;

const COLUMNS: readonly Column<SinkLine>[] = [
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
    text: (sink) => `   ${sink.state === 'OK' && sink.isSlow ? 'SLOW' : sink.state} ${gist(sink.note, 28)}`,
    tone: (sink) => (isWrong(sink) ? 'bad' : 'good'),
  },
];
