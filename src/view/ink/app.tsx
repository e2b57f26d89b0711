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
      for (const character of input === '' ? [''] : input) onKey({ ...key, input: character });
    },
    { isActive: isRawModeSupported },
  );
  return <StatusView {...{ snapshot, terminal, columns, rows, keys, sample, note }} />;
}
