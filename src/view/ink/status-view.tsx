import { Box } from 'ink';
import type { ReactNode } from 'react';
import type { StatusSnapshot } from '../../runtime/status.ts';
import type { Terminal } from '../terminal.ts';
import { printableDeep } from '../text.ts';
import { DeadLetters, deadLettersSize } from './dead-letters.tsx';
import { Events, eventsSize } from './events.tsx';
import { Footer, Help } from './footer.tsx';
import { Header, HEADER_ROWS } from './header.tsx';
import type { KeyState } from './keys.ts';
import { allocate } from './layout.ts';
import { ScreenContext } from './line.tsx';
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
}): ReactNode {
  const { terminal, columns, keys } = props;
  const snapshot = printableDeep(props.snapshot, terminal.unicode);
  const { focus } = keys;
  const rows = allocate(
    {
      stages: stagesSize(snapshot, columns),
      partitions: partitionsSize(snapshot),
      sinks: sinksSize(snapshot),
      deadLetters: deadLettersSize(snapshot),
      events: eventsSize(snapshot),
    },
    props.rows - HEADER_ROWS - FOOTER_ROWS,
    focus,
  );
  const panel = (name: keyof typeof rows) => ({
    snapshot,
    rows: rows[name],
    focused: focus === name,
    offset: focus === name ? keys.offset : 0,
  });
  return (
    <ScreenContext value={{ ...terminal, columns }}>
      <Box flexDirection="column" width={columns} height={props.rows} overflow="hidden">
        <Box flexDirection="column" flexShrink={0}>
          <Header snapshot={snapshot} paused={keys.paused} />
        </Box>
        <Box flexDirection="column" flexGrow={1} overflow="hidden">
          {keys.help ? (
            <Help />
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
          <Footer asking={keys.asking} stopping={keys.stopping} />
        </Box>
      </Box>
    </ScreenContext>
  );
}
