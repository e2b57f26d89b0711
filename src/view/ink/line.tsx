import { Text } from 'ink';
import { createContext, useContext, type ReactNode } from 'react';
import type { Terminal } from '../terminal.ts';
import { displayWidth, fit } from '../text.ts';

/** What a component needs to know of where it is drawn. */
export interface Screen extends Terminal {
  readonly columns: number;
}

export const ScreenContext = createContext<Screen>({ columns: 80, unicode: true, colour: true });

/** What a text means. Colour only repeats what the words and the `!` already say. */
export type Tone = 'plain' | 'dim' | 'strong' | 'good' | 'bad';

export interface Span {
  readonly text: string;
  readonly tone?: Tone;
}

const STYLES = {
  plain: {},
  dim: { dimColor: true },
  strong: { bold: true },
  good: { color: 'green' },
  bad: { color: 'red', bold: true },
} as const;

/** One row of the screen, exactly one: it is cut, never wrapped. `right` stands at the right edge and is kept. */
export function Line({
  spans,
  right = [],
}: {
  readonly spans: readonly Span[];
  readonly right?: readonly Span[];
}): ReactNode {
  const screen = useContext(ScreenContext);
  const room = screen.columns - widthOf(right);
  const left = cut(spans, room, screen.unicode);
  const gap: Span = { text: ' '.repeat(Math.max(0, room - widthOf(left))) };
  const all = merged(right.length === 0 ? left : [...left, gap, ...right]);
  return (
    <Text wrap="truncate">
      {all.map((span, index) => (
        <Text key={index} {...(screen.colour ? STYLES[span.tone ?? 'plain'] : {})}>
          {span.text}
        </Text>
      ))}
    </Text>
  );
}

/**
 * A panel's title in its rule: `── STAGES  records/s ──── right ──`. The panel that has the focus is pointed at. Of several
 * notes the first stands there for which there is room beside `right`, where there is room for one.
 */
export function Title(props: {
  readonly name: string;
  readonly note?: string | readonly string[];
  readonly right?: string;
  readonly focused: boolean;
}): ReactNode {
  const { columns, unicode } = useContext(ScreenContext);
  const { name, note = '', right = '', focused } = props;
  const rule = unicode ? '─' : '-';
  const head = `${focused ? `${rule}>` : rule.repeat(2)} ${name} `;
  const tail = right === '' ? '' : ` ${right} ${rule.repeat(2)}`;
  const start =
    [note]
      .flat()
      .map((one) => (one === '' ? head : `${head} ${one} `))
      .find((withNote) => displayWidth(withNote) + displayWidth(tail) < columns) ?? head;
  const dashes = Math.max(0, columns - displayWidth(start) - displayWidth(tail));
  return (
    <Line
      spans={[
        { text: start, tone: 'strong' },
        { text: rule.repeat(dashes), tone: 'dim' },
        { text: tail, tone: 'plain' },
      ]}
    />
  );
}

function widthOf(spans: readonly Span[]): number {
  return spans.reduce((cells, span) => cells + displayWidth(span.text), 0);
}

/** Neighbours of one tone as one span: a frame costs by the number of its elements. */
function merged(spans: readonly Span[]): readonly Span[] {
  const runs: Span[] = [];
  for (const span of spans) {
    const last = runs.at(-1);
    if (last !== undefined && (last.tone ?? 'plain') === (span.tone ?? 'plain')) {
      runs[runs.length - 1] = { ...last, text: last.text + span.text };
    } else {
      runs.push(span);
    }
  }
  return runs;
}

function cut(spans: readonly Span[], room: number, unicode: boolean): readonly Span[] {
  if (widthOf(spans) <= room) return spans;
  const kept: Span[] = [];
  let left = room;
  for (const span of spans) {
    const width = Math.min(displayWidth(span.text), left);
    kept.push({ ...span, text: fit(span.text, width, 'left', unicode) });
    left -= width;
    if (left <= 0) break;
  }
  return kept;
}
