import { useContext, type ReactNode } from 'react';
import type { StatusSnapshot } from '../../runtime/status.ts';
import { formatClock, formatCount } from '../format.ts';
import { displayWidth } from '../text.ts';
import { stateWords, verdict } from '../verdict.ts';
import { Line, ScreenContext, type Span } from './line.tsx';

/** Rows the header takes. */
export const HEADER_ROWS = 2;

/** Is it healthy? The verdict in words, and below it what runs here. */
export function Header({
  snapshot,
  note,
}: {
  readonly snapshot: StatusSnapshot;
  /** Before the clock, where the picture is not what is now. */
  readonly note: string;
}): ReactNode {
  const { columns } = useContext(ScreenContext);
  const { ok, causes } = verdict(snapshot);
  const clock = `  ${note === '' ? '' : `${note} `}${formatClock(snapshot.atMs, snapshot.atMs)} `;
  const name = ` ${snapshot.pipeline}   `;
  const room = columns - displayWidth(name) - clock.length;
  // What is wrong matters more than for how long it has run.
  const full = stateWords(snapshot);
  const short = snapshot.state.toUpperCase();
  const beside = (words: string): number => shownIn(causes, room - displayWidth(words));
  const state = causes.length > 0 && beside(full) < Math.max(1, beside(short)) ? short : full;
  const start: readonly Span[] = [
    { text: name, tone: 'strong' },
    { text: state, tone: ok ? 'good' : 'strong' },
  ];
  return (
    <>
      <Line spans={[...start, ...causeSpans(causes, room - displayWidth(state))]} right={[{ text: clock }]} />
      <Line spans={[{ text: ` ${[snapshot.source, ...runsAs(snapshot)].join('   ')}`, tone: 'dim' }]} />
    </>
  );
}

const CAUSE_MARK = '   ! ';

/** As many causes as fit, worst first, then how many more there are. The worst one is shown even where it must be cut. */
function causeSpans(causes: readonly string[], room: number): readonly Span[] {
  const shown = Math.max(1, shownIn(causes, room));
  return [{ text: causeWords(causes, shown), tone: 'bad' }];
}

/** How many causes there is room for. */
function shownIn(causes: readonly string[], room: number): number {
  let shown = causes.length;
  while (shown > 0 && displayWidth(causeWords(causes, shown)) > room) shown--;
  return shown;
}

function causeWords(causes: readonly string[], shown: number): string {
  const more = causes.length > shown ? `   +${causes.length - shown}` : '';
  return `${causes
    .slice(0, shown)
    .map((cause) => CAUSE_MARK + cause)
    .join('')}${more}`;
}

function runsAs(snapshot: StatusSnapshot): readonly string[] {
  const verdicts = new Map<string, string[]>();
  for (const { sink, verdict: words } of snapshot.delivery) {
    verdicts.set(words, [...(verdicts.get(words) ?? []), sink]);
  }
  return [
    ...(snapshot.members === null
      ? []
      : [`${formatCount(snapshot.members)} ${snapshot.members === 1 ? 'member' : 'members'}`]),
    ...[...verdicts].map(([words, sinks]) => `${words}: ${sinks.join(' ')}`),
    ...(snapshot.environment === null ? [] : [`env ${snapshot.environment}`]),
  ];
}
