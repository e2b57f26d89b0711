import { useContext, type ReactNode } from 'react';
import type { StatusSnapshot } from '../../runtime/status.ts';
import { formatClock, formatCount } from '../format.ts';
import { displayWidth } from '../text.ts';
import { stateWords, verdict } from '../verdict.ts';
import { Line, ScreenContext, type Span } from './line.tsx';

/** Rows the header takes. */
export const HEADER_ROWS = 2;

/** Is it healthy? The verdict in words, and below it what runs here. */
export function Header({ snapshot, paused }: { readonly snapshot: StatusSnapshot; readonly paused: boolean }): ReactNode {
  const { columns } = useContext(ScreenContext);
  const { ok, causes } = verdict(snapshot);
  const clock = `  ${paused ? 'PAUSED ' : ''}${formatClock(snapshot.atMs, snapshot.atMs)} `;
  const state = { text: stateWords(snapshot), tone: ok ? 'good' : 'strong' } as const;
  const start = [{ text: ` ${snapshot.pipeline}`, tone: 'strong' }, { text: '   ' }, state] as const;
  const room = columns - clock.length - displayWidth(start.map((span) => span.text).join(''));
  return (
    <>
      <Line spans={[...start, ...causeSpans(causes, room)]} right={[{ text: clock }]} />
      <Line spans={[{ text: ` ${[snapshot.source, ...runsAs(snapshot)].join('   ')}`, tone: 'dim' }]} />
    </>
  );
}

/** As many causes as fit, worst first, then how many more there are. The worst one is shown even where it must be cut. */
function causeSpans(causes: readonly string[], room: number): readonly Span[] {
  const texts = causes.map((cause) => `   ! ${cause}`);
  for (let shown = texts.length; shown > 0; shown--) {
    const more = texts.length > shown ? `   +${texts.length - shown}` : '';
    const text = `${texts.slice(0, shown).join('')}${more}`;
    if (shown === 1 || displayWidth(text) <= room) return [{ text, tone: 'bad' }];
  }
  return [];
}

function runsAs(snapshot: StatusSnapshot): readonly string[] {
  const verdicts = new Map<string, string[]>();
  for (const { sink, verdict: words } of snapshot.delivery) {
    verdicts.set(words, [...(verdicts.get(words) ?? []), sink]);
  }
  return [
    ...(snapshot.members === null ? [] : [`${formatCount(snapshot.members)} ${snapshot.members === 1 ? 'member' : 'members'}`]),
    ...[...verdicts].map(([words, sinks]) => `${words}: ${sinks.join(' ')}`),
    ...(snapshot.environment === null ? [] : [`env ${snapshot.environment}`]),
  ];
}
