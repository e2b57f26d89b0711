import type { ReactNode } from 'react';
import type { PartitionStatus, StatusSnapshot } from '../../runtime/status.ts';
import { formatChange, formatCount, formatDuration, formatRate } from '../format.ts';
import { hasSeveralTopics, lagWords, partitionName, worstFirst } from '../verdict.ts';
import type { KeyState } from './keys.ts';
import type { PanelSize } from './layout.ts';
import { Line, Title } from './line.tsx';
import { panelList } from './panel-list.ts';
import { Table, type Column } from './table.tsx';

/** Title and header, at least the worst partition and the line that sums up the others. */
export function partitionsSize(count: number): PanelSize {
  return count === 0 ? { min: 2, want: 2 } : { min: 2 + Math.min(2, count), want: 2 + count };
}

/** Which partition is slow, how far behind is it, and does it catch up? */
export function Partitions(props: {
  readonly snapshot: StatusSnapshot;
  readonly rows: number;
  readonly keys: KeyState;
}): ReactNode {
  const { snapshot, rows, keys } = props;
  const { partitions } = snapshot;
  if (partitions.length === 0) {
    return (
      <>
        <Title name="PARTITIONS" focused={keys.focus === 'partitions'} />
        <Line spans={[{ text: '   none assigned to this member', tone: 'dim' }]} />
      </>
    );
  }
  const severalTopics = hasSeveralTopics(partitions);
  const { shown, rest, isSelected, focused, words } = panelList('partitions', snapshot, keys, rows - 2);
  const lines = [
    ...shown.map((partition) => ({
      ...partition,
      isSelected: isSelected(partition),
      note: noteOf(partition),
      name: partitionName(partition, severalTopics),
    })),
    ...(rest.length === 0 ? [] : [summary(rest, severalTopics)]),
  ];
  return (
    <>
      <Title name="PARTITIONS" note={lagWords(snapshot)} right={words} focused={focused} />
      <Table
        columns={COLUMNS}
        rows={lines}
        isWrong={(line) => line.verdict !== 'OK'}
        isSelected={(line) => line.isSelected}
      />
    </>
  );
}

function noteOf({ note, idleMs }: PartitionStatus): string {
  return note === '' && idleMs !== null ? `idle ${formatDuration(idleMs)}` : note;
}

/** A partition, or what sums up several. */
interface PartitionLine extends Pick<
  PartitionStatus,
  'owner' | 'lag' | 'lagChangePerSecond' | 'behindMs' | 'inPerSecond' | 'catchUpMs' | 'verdict' | 'note'
> {
  readonly name: string;
  readonly isSelected: boolean;
}

const COLUMNS: readonly Column<PartitionLine>[] = [
  { title: 'PART', align: 'left', width: 6, widest: 24, text: (line) => line.name },
  { title: 'OWNER', align: 'left', width: 12, drop: 1, text: (line) => line.owner },
  { title: 'LAG', align: 'right', width: 9, widest: 14, text: (line) => formatCount(line.lag) },
  { title: 'CHANGE/S', align: 'right', width: 10, text: (line) => formatChange(line.lagChangePerSecond) },
  {
    title: 'BEHIND',
    align: 'right',
    width: 10,
    text: (line) => formatDuration(line.behindMs),
    tone: (line) => (line.verdict === 'OK' ? 'plain' : 'bad'),
  },
  { title: 'IN/S', align: 'right', width: 8, drop: 3, text: (line) => formatRate(line.inPerSecond) },
  { title: 'CATCH-UP', align: 'right', width: 10, drop: 2, text: catchUp },
  { title: '  VERDICT', align: 'left', width: 16, text: (line) => `  ${line.verdict} ${line.note}` },
];

/** `never` only where that is a finding: a lag that stands still within its verdict is no worry. */
function catchUp(line: PartitionLine): string {
  if (line.catchUpMs !== null) return formatDuration(line.catchUpMs);
  return line.verdict !== 'OK' && line.lag !== 0 ? 'never' : '-';
}

function summary(rest: readonly PartitionStatus[], severalTopics: boolean): PartitionLine {
  const wrong = rest.filter((partition) => partition.verdict !== 'OK');
  const owners = [...new Set(rest.map((partition) => partition.owner))];
  const namesOf = (some: readonly PartitionStatus[]): string =>
    some
      .toSorted((a, b) => a.topic.localeCompare(b.topic) || a.partition - b.partition)
      .map((partition) => partitionName(partition, severalTopics))
      .join(' ');
  const idle = rest.filter((partition) => partition.idleMs !== null);
  const calm = [
    namesOf(rest.filter((partition) => partition.idleMs === null)),
    ...(idle.length === 0 ? [] : [`idle ${namesOf(idle)}`]),
  ];
  return {
    name: `+${rest.length}`,
    isSelected: false,
    owner: owners.length === 1 ? (owners[0] ?? '') : `${owners.length} owners`,
    lag: sum(rest.map((partition) => partition.lag)),
    lagChangePerSecond: sum(rest.map((partition) => partition.lagChangePerSecond)),
    behindMs: max(rest.map((partition) => partition.behindMs)),
    inPerSecond: rest.reduce((total, partition) => total + partition.inPerSecond, 0),
    // One that never catches up is not hidden behind those that do.
    catchUpMs: wrong.some((partition) => partition.catchUpMs === null)
      ? null
      : max(rest.map((partition) => partition.catchUpMs)),
    verdict: worstFirst(rest)[0]?.verdict ?? 'OK',
    note:
      wrong.length === 0
        ? calm.filter(Boolean).join(', ')
        : `${formatCount(wrong.length)} of ${formatCount(rest.length)}: ${namesOf(rest)}`,
  };
}

/** Of what is known; null where nothing is. */
function sum(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
}

function max(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}
