import type { ReactNode } from 'react';
import { Line, type Span } from './line.tsx';

/** The keys, or the question that `q` asks. */
export function Footer({ asking, stopping }: { readonly asking: boolean; readonly stopping: boolean }): ReactNode {
  if (asking) return <Line spans={[{ text: ' Quit?  ', tone: 'strong' }, ...keys(QUIT)]} />;
  if (stopping) return <Line spans={keys(STOPPING)} />;
  return <Line spans={keys(KEYS)} />;
}

/** What each key does, for those who asked. */
export function Help(): ReactNode {
  return (
    <>
      <Line spans={[{ text: '' }]} />
      {HELP.map(([key, words]) => (
        <Line key={key} spans={[{ text: `   ${key.padEnd(14)}`, tone: 'strong' }, { text: words }]} />
      ))}
    </>
  );
}

const KEYS = [
  ['1-5', 'panels'],
  ['j k', 'move'],
  ['p', 'pause'],
  ['?', 'help'],
  ['q', 'quit'],
  ['Ctrl-C', 'stop'],
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
