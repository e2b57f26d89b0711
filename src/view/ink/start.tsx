import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { render } from 'ink';
import type { StatusSnapshot } from '../../runtime/status.ts';
import { finalSummary, startPlainView } from '../plain.ts';
import type { Terminal } from '../terminal.ts';
import { App } from './app.tsx';
import { holdMessages } from './held-messages.ts';
import { INITIAL_KEYS, press, type KeyPress } from './keys.ts';

/** Four frames a second: fast enough for the eye, next to nothing for the processor. */
const FRAME_MS = 250;
/** How long a terminal may take for the last frame. */
const CLOSE_MS = 1_000;

export interface InkViewOptions {
  readonly snapshots: () => StatusSnapshot;
  /** The user wants the pipeline to drain and end: Ctrl-C, or `q` and `s`. Called once. */
  readonly onStop: () => void;
  /** Ctrl-C again: leave at once. */
  readonly onForce: () => void;
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
  /** Messages meant for it are held back while the picture is up, if it is a terminal. */
  readonly stderr: NodeJS.WritableStream;
  readonly terminal: Terminal;
  readonly frameMs?: number;
}

export interface InkView {
  /** Restores the screen, then writes what was held back and the final summary to `stderr`. */
  close(): Promise<void>;
  /** Resolves when the user left the view and the pipeline is to go on without it; the screen is restored by then. */
  readonly closedByUser: Promise<'leave'>;
}

/**
 * Shows the status view on the alternate screen until `close`, or until the user leaves it. The screen is restored on
 * every end of the process that can be seen from within. An error in the view ends the view, not the pipeline: it says
 * so and goes on in plain lines.
 */
export function startInkView(options: InkViewOptions): InkView {
  const { snapshots, stdin, stdout, stderr, terminal } = options;
  let snapshot = snapshots();
  let keys = INITIAL_KEYS;
  let isOpen = true;
  let hasLeft = false;
  let plain: { close(): void } | undefined;
  const left = Promise.withResolvers<'leave'>();

  const element = () => <App snapshot={snapshot} terminal={terminal} keys={keys} onKey={onKey} />;
  const release = holdMessages(stderr);
  setBlocking(stdout, false);
  const ink = render(element(), {
    stdin,
    stdout,
    stderr,
    interactive: true,
    alternateScreen: true,
    exitOnCtrlC: false,
    patchConsole: false,
  });

  const timer = setInterval(() => {
    // A terminal that does not take what it was given gets no more of it: frames are dropped, nothing waits.
    if (isStuck(stdout)) return;
    try {
      if (!keys.paused) snapshot = snapshots();
      ink.rerender(element());
    } catch (error) {
      fallBack(error);
    }
  }, options.frameMs ?? FRAME_MS);
  timer.unref();

  function restore(): void {
    isOpen = false;
    clearInterval(timer);
    process.off('exit', restore);
    // The process may be about to end, and then only what is written at once is written.
    if (!isStuck(stdout)) setBlocking(stdout, true);
    ink.unmount();
    release();
  }
  process.once('exit', restore);

  function onKey(key: KeyPress): void {
    const { state, action } = press(keys, key, itemsOf(snapshot, keys.focus));
    keys = state;
    ink.rerender(element());
    if (action === 'stop') options.onStop();
    if (action === 'force') options.onForce();
    if (action === 'leave') void leave();
  }

  async function leave(): Promise<void> {
    hasLeft = true;
    restore();
    await settled(ink.waitUntilExit());
    left.resolve('leave');
  }

  function fallBack(error: unknown): void {
    if (!isOpen) return;
    restore();
    const reason = error instanceof Error ? error.message : String(error);
    stderr.write(`the status view failed (${reason}); the pipeline goes on, its status follows in plain lines\n`);
    plain = startPlainView({ snapshots, out: stderr, unicode: terminal.unicode });
  }
  // Ink catches what a component throws, unmounts itself and tells it here.
  ink.waitUntilExit().catch(fallBack);

  return {
    closedByUser: left.promise,
    async close() {
      if (plain !== undefined) return plain.close();
      if (hasLeft) return;
      restore();
      await settled(ink.waitUntilExit());
      for (const line of finalSummary(snapshots())) stderr.write(`${line}\n`);
    },
  };
}

function isStuck(stream: NodeJS.WritableStream): boolean {
  return 'writableNeedDrain' in stream && stream.writableNeedDrain === true;
}

/**
 * Node writes to a terminal synchronously on POSIX ("A note on process I/O", nodejs.org/api/process.html): one that
 * nobody reads (a stopped multiplexer, a connection that hangs) would stop the whole process, and the pipeline with it.
 * Node has no public way to say otherwise; where the handle is not what is expected, nothing changes.
 */
function setBlocking(stream: NodeJS.WritableStream, blocking: boolean): void {
  const { _handle: handle } = stream as { _handle?: { setBlocking?: (blocking: boolean) => void } };
  handle?.setBlocking?.(blocking);
}

/** The end of `work`, however it ends, but no later than a terminal may hold up the end of the process. */
async function settled(work: Promise<unknown>): Promise<void> {
  await Promise.race([work.catch(() => undefined), sleep(CLOSE_MS, undefined, { ref: false })]);
}

function itemsOf(snapshot: StatusSnapshot, focus: typeof INITIAL_KEYS.focus): number {
  if (focus === null) return 0;
  return focus === 'deadLetters' ? snapshot.deadLetters.causes.length : snapshot[focus].length;
}
