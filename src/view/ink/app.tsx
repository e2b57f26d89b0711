import { useInput, useStdin, useWindowSize } from 'ink';
import type { ReactNode } from 'react';
import type { DeadLetterSample, StatusSnapshot } from '../../runtime/status.ts';
import type { Terminal } from '../terminal.ts';
import type { KeyPress, KeyState } from './keys.ts';
import { StatusView } from './status-view.tsx';

/** The picture at the size of the terminal, and the keys. It keeps no state: what is shown is what it is given. */
export function App(props: {
  readonly snapshot: StatusSnapshot;
  readonly terminal: Terminal;
  readonly keys: KeyState;
  readonly sample?: DeadLetterSample | null | undefined;
  readonly note?: string | undefined;
  readonly onKey: (key: KeyPress) => void;
}): ReactNode {
  const { snapshot, terminal, keys, sample, note, onKey } = props;
  const { columns, rows } = useWindowSize();
  // Without raw mode (stdin is a pipe) there are no keys, and Ctrl-C comes as a signal.
  const { isRawModeSupported } = useStdin();
  useInput(
    (input, key) => {
      // A held key may come as one text of several characters.
      if (input.length < 2) return onKey({ ...key, input });
      for (const [character] of input.matchAll(/./gsu)) onKey(keyOf(character));
    },
    { isActive: isRawModeSupported },
  );
  return <StatusView {...{ snapshot, terminal, columns, rows, keys, sample, note }} />;
}

/** A key among several that came at once. */
function keyOf(character: string): KeyPress {
  switch (character) {
    case '\r':
    case '\n':
      return { input: '', return: true };
    case '\t':
      return { input: '', tab: true };
    case '\b':
    case '\u007f':
      return { input: '', backspace: true };
    case '\u001b':
      return { input: '', escape: true };
    case '\u0003':
      return { input: 'c', ctrl: true };
    default:
      return { input: character };
  }
}
