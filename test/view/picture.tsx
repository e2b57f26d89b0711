import { renderToString } from 'ink';
import type { DeadLetterSample, StatusSnapshot } from '../../src/runtime/status.ts';
import { INITIAL_KEYS, type KeyState } from '../../src/view/ink/keys.ts';
import { StatusView } from '../../src/view/ink/status-view.tsx';

export interface Setting {
  readonly columns?: number;
  readonly rows?: number;
  readonly keys?: Partial<KeyState>;
  readonly unicode?: boolean;
  readonly colour?: boolean;
  readonly sample?: DeadLetterSample | null;
  readonly note?: string;
}

/** The status view as text, one line a row. */
export function picture(snapshot: StatusSnapshot, setting: Setting = {}): string {
  const { columns = 100, rows = 30, keys = {}, unicode = true, colour = false, sample, note } = setting;
  return renderToString(
    <StatusView
      snapshot={snapshot}
      terminal={{ unicode, colour }}
      columns={columns}
      rows={rows}
      keys={{ ...INITIAL_KEYS, ...keys }}
      sample={sample}
      note={note}
    />,
    { columns },
  );
}
