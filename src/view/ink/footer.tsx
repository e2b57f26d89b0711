import type { ReactNode } from 'react';
import type { KeyState } from './keys.ts';
import { Line, type Span } from './line.tsx';

/** The keys, the question that `q` asks, or the filter that is being typed. */
export function Footer({ keys: state }: { readonly keys: KeyState }): ReactNode {
  const { asking, stopping, typing, filter, notice, detail, attached, focus } = state;
  if (asking) return <Line spans={[{ text: ' Quit?  ', tone: 'strong' }, ...keys(QUIT)]} />;
  if (typing) return <Line spans={[{ text: ` /${filter}_ `, tone: 'strong' }, ...keys(TYPING)]} />;
  if (stopping) return <Line spans={keys(STOPPING)} />;
  if (notice !== '') return <Line spans={[{ text: ` ${notice}`, tone: 'strong' }]} />;
  if (detail) return <Line spans={keys(DETAIL)} />;
  const last = attached ? ATTACHED : OWN;
  return <Line spans={keys([...(focus === null ? PANELS : INSIDE), ...last])} />;
}

/** What each key does, for those who asked. */
export function Help(): ReactNode {
  return (
    <>
      <Line spans={[{ text: ' ' }]} />
      {HELP.map(([key, words]) => (
        <Line key={key} spans={[{ text: `   ${key.padEnd(14)}`, tone: 'strong' }, { text: words }]} />
      ))}
    </>
  );
}

const PANELS = [
  ['1-5', 'panels'],
  ['/', 'filter'],
  ['s', 'sort'],
  ['p', 'pause'],
] as const;

const INSIDE = [
  ['j k', 'move'],
  ['Enter', 'detail'],
  ['/', 'filter'],
  ['s', 'sort'],
  ['y', 'copy'],
] as const;

const OWN = [
  ['?', 'help'],
  ['q', 'quit'],
  ['Ctrl-C', 'stop'],
] as const;

const ATTACHED = [
  ['?', 'help'],
  ['q', 'leave; the pipeline goes on'],
] as const;

const DETAIL = [
  ['Esc', 'back'],
  ['y', 'copy the first command'],
] as const;

const TYPING = [
  ['Enter', 'keep'],
  ['Esc', 'all lines'],
] as const;

const STOPPING = [['Ctrl-C', 'leave at once, without waiting for what is being written']] as const;

const QUIT = [
  ['s', 'stop the pipeline'],
  ['v', 'leave it running without the view'],
  ['Esc', 'stay'],
] as const;

const HELP = [
  ['1-5, Tab', 'a panel: stages partitions sinks dead-letters events; Esc back'],
  ['j k, arrows', 'move in that panel'],
  ['Enter', 'all about that line, and what to run about it; Esc back'],
  ['/', 'only lines with a text; Esc shows all again'],
  ['s, r', 'another order of the panel; the same reversed'],
  ['y', 'copy the line, or the first command of a detail'],
  ['p', 'pause the picture; the pipeline goes on'],
  ['q', 'quit: asks whether the pipeline stops or goes on'],
  ['Ctrl-C', 'write and commit what was read, then end; again: at once'],
  ['? or Esc', 'close this help'],
  ['!', 'something is wrong there; the first line says the worst'],
  ['BUSY', 'share of the time spent in this stage'],
  ['BEHIND', 'age of the next record; of a sink: rows not yet written'],
  ['CATCH-UP', 'time until the lag is gone at the present rates'],
  ['difference', 'records read that are in no other number: must be 0'],
] as const;

function keys(pairs: readonly (readonly [string, string])[]): readonly Span[] {
  return pairs.flatMap(([key, words]) => [{ text: ` ${key}`, tone: 'strong' } as const, { text: ` ${words} ` }]);
}
