import type { ReactNode } from 'react';
import type { DeadLetterCause, StatusSnapshot } from '../../runtime/status.ts';
import { lettersWords } from '../letters.ts';
import { formatClock, formatCount, formatRateWithUnit, formatRatio } from '../format.ts';
import type { KeyState } from './keys.ts';
import type { PanelSize } from './layout.ts';
import { Line, Title } from './line.tsx';
import { panelList } from './panel-list.ts';
import { Table, type Column } from './table.tsx';

export function deadLettersSize(snapshot: StatusSnapshot, count: number): PanelSize {
  const held = heldCauses(snapshot).length;
  return { min: 1 + held + Math.min(1, count), want: 1 + held + count };
}

/** Why do records fail, and does it go on? One line a cause, what grows fastest first. */
export function DeadLetters(props: {
  readonly snapshot: StatusSnapshot;
  readonly rows: number;
  readonly keys: KeyState;
}): ReactNode {
  const { snapshot, rows, keys } = props;
  const { total, destination, letters } = snapshot.deadLetters;
  const held = heldCauses(snapshot);
  const room = Math.max(0, rows - 1 - held.length);
  const { shown, rest, isSelected, focused, words } = panelList('deadLetters', snapshot, keys, room);
  const others = rest.reduce((count, cause) => count + cause.count, 0);
  return (
    <>
      <Title
        name="DEAD LETTERS"
        note={notes(snapshot.deadLetters)}
        right={[words, letters !== null || total === 0 ? '' : destination, breakerWords(snapshot)]
          .filter(Boolean)
          .join('   ')}
        focused={focused}
      />
      {held.map(({ stage, code, message, count }) => (
        <Line
          key={`${stage} ${code}`}
          spans={[{ text: ` ! held ${formatCount(count)}  ${stage}  ${code}  ${message}`, tone: 'bad' }]}
        />
      ))}
      <Table
        columns={columns(snapshot.atMs)}
        rows={shown}
        isWrong={(cause) => cause.perSecond > 0}
        isSelected={isSelected}
        header={false}
      />
      {rest.length > 0 && (
        <Line spans={[{ text: `   +${formatCount(rest.length)} causes, ${formatCount(others)} dead letters` }]} />
      )}
    </>
  );
}

/**
 * What became of the letters of the queue: `open 1,317 (+2.0/s), replayed 493, resolved 32`, then the same with less in it;
 * where that is not known, how many this process has made.
 */
function notes({ total, perSecond, letters }: StatusSnapshot['deadLetters']): readonly string[] {
  const growth = (rate: number | null): string =>
    rate === null || rate === 0 ? '' : ` (${rate > 0 ? '+' : '-'}${formatRateWithUnit(Math.abs(rate))})`;
  if (letters === null) return [total === 0 ? 'none' : `${formatCount(total)}${growth(perSecond)}`];
  const { open, uncounted, openChangePerSecond } = letters;
  const closed = lettersWords(letters).slice(1);
  if (total + open === 0 && closed.length === 0) return ['none'];
  const most = `open ${formatCount(open)}${uncounted > 0 ? '+' : ''}`;
  const growing = `${most}${growth(openChangePerSecond)}`;
  return [[growing, ...closed].join(', '), growing, most];
}

/** `breaker at 0.02% of 20%`; nothing where all are off. */
function breakerWords({ breakers }: StatusSnapshot): string {
  const [worst] = breakers.toSorted((a, b) => b.ratio - a.ratio);
  if (worst === undefined) return '';
  const of = `${formatRatio(worst.ratio)} of ${formatRatio(worst.ratioMax)}`;
  const open = breakers.find(({ state }) => state === 'open');
  if (open !== undefined) return `BREAKER OPEN at ${formatRatio(open.ratio)}: pipectl resume`;
  return worst.state === 'unarmed' ? 'breaker resumed, not armed yet' : `breaker at ${of}`;
}

/** What an open breaker keeps from becoming dead letters. */
const heldCauses = ({ breakers }: StatusSnapshot) => breakers.flatMap(({ causes }) => causes.slice(0, 3));

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
