import { useContext, type ReactNode } from 'react';
import type { StageStatus, StatusSnapshot } from '../../runtime/status.ts';
import { accountTerms, differenceWords } from '../account.ts';
import { formatLatency, formatRate, formatShare } from '../format.ts';
import { displayWidth } from '../text.ts';
import type { KeyState } from './keys.ts';
import type { PanelSize } from './layout.ts';
import { Line, ScreenContext, Title, type Span } from './line.tsx';
import { panelList } from './panel-list.ts';
import { Table, type Column } from './table.tsx';

/** From here on the end-to-end latency has a block of its own beside the stages. */
const WIDE = 92;

/** Title, header and account; then the stages, of which four say more than the panels below would. */
export function stagesSize(snapshot: StatusSnapshot, count: number, columns: number): PanelSize {
  const fixed = 2 + accountLines(snapshot, columns).length;
  const rows = Math.max(count, columns >= WIDE ? 3 : 1);
  return { min: fixed + Math.min(rows, 5), want: fixed + rows };
}

/** What is slow, and what is lost? Rates of each stage, the latency from record to sink, and where every record went. */
export function Stages(props: {
  readonly snapshot: StatusSnapshot;
  readonly rows: number;
  readonly keys: KeyState;
}): ReactNode {
  const { snapshot, keys } = props;
  const { columns } = useContext(ScreenContext);
  const wide = columns >= WIDE;
  const { p50Ms, p95Ms, p99Ms } = snapshot.endToEnd;
  const latencies = [
    `p50 ${formatLatency(p50Ms).padStart(10)}`,
    `p95 ${formatLatency(p95Ms).padStart(10)}`,
    `p99 ${formatLatency(p99Ms).padStart(10)}`,
  ];
  const account = accountLines(snapshot, columns);
  const room = props.rows - 2 - account.length;
  const { shown, rest, isSelected, focused, words } = panelList('stages', snapshot, keys, room);
  const rows: readonly StageRow[] = [
    ...shown.map((stage) => ({ stage, words: stage.name })),
    ...(rest.length === 0
      ? []
      : [{ stage: null, words: `+${rest.length} ${rest.map((stage) => stage.name).join(' ')}` }]),
  ];
  const filled = wide
    ? [...rows, ...Array.from({ length: Math.max(0, 3 - rows.length) }, () => ({ stage: null, words: '' }))]
    : rows;
  return (
    <>
      <Title
        name="STAGES"
        note="records/s"
        right={[words, wide ? '' : latencies.map((text) => text.replace(/ +/g, ' ')).join('  ')]
          .filter(Boolean)
          .join('   ')}
        focused={focused}
      />
      <Table
        columns={wide ? [...STAGE_COLUMNS, latencyColumn(latencies, filled)] : STAGE_COLUMNS}
        rows={filled}
        isWrong={({ stage }) => stage !== null && (stage.deadPerSecond ?? 0) > 0}
        isSelected={({ stage }) => stage !== null && isSelected(stage)}
      />
      {account.map((line, index) => (
        <Line key={index} spans={line.spans} right={line.right} />
      ))}
    </>
  );
}

/** A stage, or words that stand for those there is no room for. */
interface StageRow {
  readonly stage: StageStatus | null;
  readonly words: string;
}

/** A stage has no such number (`produced` has only `out`): blank, unlike a number that is unknown. */
function rate(pick: (stage: StageStatus) => number | null): (row: StageRow) => string {
  return ({ stage }) => {
    const perSecond = stage === null ? null : pick(stage);
    return perSecond === null ? '' : formatRate(perSecond);
  };
}

const STAGE_COLUMNS: readonly Column<StageRow>[] = [
  { title: '', align: 'left', width: 18, widest: 30, text: ({ words }) => words },
  { title: 'IN', align: 'right', width: 9, text: rate((stage) => stage.inPerSecond) },
  { title: 'OUT', align: 'right', width: 9, text: rate((stage) => stage.outPerSecond) },
  { title: 'FILTERED', align: 'right', width: 10, text: rate((stage) => stage.filteredPerSecond) },
  {
    title: 'DEAD',
    align: 'right',
    width: 8,
    text: rate((stage) => stage.deadPerSecond),
    tone: ({ stage }) => ((stage?.deadPerSecond ?? 0) > 0 ? 'bad' : 'plain'),
  },
  {
    title: 'BUSY',
    align: 'right',
    width: 7,
    drop: 1,
    text: ({ stage }) => (stage === null || stage.inPerSecond === null ? '' : formatShare(stage.busy)),
  },
];

function latencyColumn(latencies: readonly string[], rows: readonly StageRow[]): Column<StageRow> {
  return {
    title: '   END TO END, record to sink',
    align: 'left',
    width: 30,
    text: (row) => {
      const latency = latencies[rows.indexOf(row)];
      return latency === undefined ? '' : `   ${latency}`;
    },
  };
}

interface AccountLine {
  readonly spans: readonly Span[];
  readonly right: readonly Span[];
}

const ACCOUNT_INDENT = 12;

function accountLines(snapshot: StatusSnapshot, columns: number): readonly AccountLine[] {
  const ok = snapshot.account.difference === 0;
  const difference = `${differenceWords(snapshot.account)} `;
  const room = columns - ACCOUNT_INDENT;
  const lines: string[] = [];
  for (const term of accountTerms(snapshot.account)) {
    const line = `${lines.at(-1) ?? ''}${term} `;
    if (lines.length > 0 && displayWidth(line) <= room) lines[lines.length - 1] = line;
    else lines.push(`${term} `);
  }
  // The difference stands at the right edge of the last line that has room for it.
  const place = lines.findLastIndex((line) => displayWidth(line) + displayWidth(difference) <= room);
  if (place === -1) lines.push('');
  return lines.map((text, index) => ({
    spans: [
      { text: index > 0 ? ' '.repeat(ACCOUNT_INDENT) : ok ? '   account  ' : ' ! account  ', tone: ok ? 'dim' : 'bad' },
      { text },
    ],
    right: lines.at(place) === text ? [{ text: difference, tone: ok ? 'good' : 'bad' }] : [],
  }));
}
