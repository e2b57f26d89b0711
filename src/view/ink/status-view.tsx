import { Box } from 'ink';
import type { ReactNode } from 'react';
import type { DeadLetterSample, StatusSnapshot } from '../../runtime/status.ts';
import type { Terminal } from '../terminal.ts';
import { printableDeep } from '../text.ts';
import { DeadLetters, deadLettersSize } from './dead-letters.tsx';
import { Events, eventsSize } from './events.tsx';
import { detailOf, type Detail } from './detail-of.ts';
import { DetailPanel } from './detail.tsx';
import { Footer, Help } from './footer.tsx';
import { Header, HEADER_ROWS } from './header.tsx';
import type { KeyState } from './keys.ts';
import { allocate, type Panel } from './layout.ts';
import { ScreenContext } from './line.tsx';
import { idOf, itemsIn } from './lists.ts';
import { Partitions, partitionsSize } from './partitions.tsx';
import { Sinks, sinksSize } from './sinks.tsx';
import { Stages, stagesSize } from './stages.tsx';

const FOOTER_ROWS = 1;

/** The whole picture, `rows` high and never higher: Ink would have to clear the screen for every frame. */
export function StatusView(props: {
  readonly snapshot: StatusSnapshot;
  readonly terminal: Terminal;
  readonly columns: number;
  readonly rows: number;
  readonly keys: KeyState;
  /** Of the dead-letter cause whose detail is shown; undefined while it is fetched. */
  readonly sample?: DeadLetterSample | null | undefined;
  /** Where the picture is not what is now: `NO ANSWER 12 s`. */
  readonly note?: string | undefined;
}): ReactNode {
  const { terminal, columns, keys } = props;
  const snapshot = printableDeep(props.snapshot, terminal.unicode);
  const { focus } = keys;
  const room = props.rows - HEADER_ROWS - FOOTER_ROWS;
  const count = (panel: Panel): number => itemsIn(panel, snapshot, keys).length;
  const rows = allocate(
    {
      stages: stagesSize(snapshot, count('stages'), columns),
      partitions: partitionsSize(count('partitions')),
      sinks: sinksSize(count('sinks')),
      deadLetters: deadLettersSize(snapshot, count('deadLetters')),
      events: eventsSize(count('events')),
    },
    room,
    focus,
  );
  const detail = detailIn(snapshot, keys, printableDeep(props.sample, terminal.unicode));
  const panel = (name: keyof typeof rows) => ({
    snapshot,
    rows: rows[name],
    keys,
  });
  return (
    <ScreenContext value={{ ...terminal, columns }}>
      <Box flexDirection="column" width={columns} height={props.rows} overflow="hidden">
        <Box flexDirection="column" flexShrink={0}>
          <Header snapshot={snapshot} note={props.note ?? (keys.paused ? 'PAUSED' : '')} />
        </Box>
        <Box flexDirection="column" flexGrow={1} overflow="hidden">
          {keys.help ? (
            <Help />
          ) : detail !== null ? (
            <DetailPanel detail={detail} rows={room} />
          ) : (
            <>
              {rows.stages > 0 && <Stages {...panel('stages')} />}
              {rows.partitions > 0 && <Partitions {...panel('partitions')} />}
              {rows.sinks > 0 && <Sinks {...panel('sinks')} />}
              {rows.deadLetters > 0 && <DeadLetters {...panel('deadLetters')} />}
              {rows.events > 0 && <Events {...panel('events')} />}
            </>
          )}
        </Box>
        <Box flexShrink={0}>
          <Footer keys={keys} />
        </Box>
      </Box>
    </ScreenContext>
  );
}

/** Null where no line is opened, or it is gone: then its panel is shown again. */
function detailIn(
  snapshot: StatusSnapshot,
  { focus, selected, detail, ...keys }: KeyState,
  sample: DeadLetterSample | null | undefined,
): Detail | null {
  if (focus === null || !detail) return null;
  const items = itemsIn(focus, snapshot, { ...keys, focus, filter: '' });
  const item = items.find((one) => idOf(focus, one) === selected);
  return item === undefined ? null : detailOf(focus, item, snapshot, sample);
}
