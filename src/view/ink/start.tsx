import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Instance, render } from 'ink';
import type { DeadLetterSample, StatusSnapshot } from '../../runtime/status.ts';
import { finalSummary, startPlainView } from '../plain.ts';
import type { Terminal } from '../terminal.ts';
import { printableDeep } from '../text.ts';
import { App } from './app.tsx';
import { holdMessages } from './held-messages.ts';
import { detailOf } from './detail-of.ts';
import { INITIAL_KEYS, press, type KeyPress, type KeyState } from './keys.ts';
import type { Panel } from './layout.ts';
import { idOf, itemsIn, textOf } from './lists.ts';

/** Four frames a second: fast enough for the eye, and nothing to a process that has time to spare. */
const FRAME_MS = 250;
/** Of the time of a process that is busy (it spends more than `BUSY` of its time at work) frames take at most this share. */
const SHARE_MAX = 0.02;
const BUSY = 0.7;
/** Terminals take about so much at once (xterm; others take more). */
const COPY_CHARACTERS_MAX = 50_000;
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
  /** A record of a dead-letter cause, for its detail. Default: none is kept. */
  readonly sampleOf?: (fingerprint: string) => Promise<DeadLetterSample | null>;
  /** The pipeline runs in another process: to quit leaves the view alone, and there is nothing to sum up at its end. */
  readonly attached?: boolean;
  /** Where the picture is not what is now: `NO ANSWER 12 s`; else undefined. */
  readonly note?: () => string | undefined;
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
  let keys: KeyState = { ...INITIAL_KEYS, attached: options.attached === true };
  /** Of the detail that was opened last; undefined until it has come. */
  let sample: DeadLetterSample | null | undefined;
  let isOpen = true;
  let hasLeft = false;
  let plain: { close(): void } | undefined;
  const left = Promise.withResolvers<'leave'>();

  const element = () => (
    <App snapshot={snapshot} terminal={terminal} keys={keys} sample={sample} note={options.note?.()} onKey={onKey} />
  );
  const release = holdMessages(stderr);
  setBlocking(stdout, false);
  let ink: Instance;
  try {
    ink = render(element(), {
      stdin,
      stdout,
      stderr,
      interactive: true,
      alternateScreen: true,
      exitOnCtrlC: false,
      patchConsole: false,
    });
  } catch (error) {
    setBlocking(stdout, true);
    release();
    const lines = inPlainLines(error);
    return { closedByUser: left.promise, close: () => Promise.resolve(lines.close()) };
  }

  let work = performance.eventLoopUtilization();
  let nextBusyFrameMs = 0;
  const timer = setInterval(() => {
    // A terminal that does not take what it was given gets no more of it: frames are dropped, nothing waits.
    if (isStuck(stdout)) return;
    const startedMs = performance.now();
    const workNow = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(workNow, work);
    if (utilization > BUSY && startedMs < nextBusyFrameMs) return;
    work = workNow;
    try {
      if (!keys.paused) snapshot = snapshots();
      ink.rerender(element());
    } catch (error) {
      fallBack(error);
    }
    nextBusyFrameMs = startedMs + (performance.now() - startedMs) / SHARE_MAX;
  }, options.frameMs ?? FRAME_MS);
  timer.unref();

  function restore(): void {
    isOpen = false;
    clearInterval(timer);
    process.off('exit', restore);
    ink.unmount();
    // It may be the same terminal.
    setBlocking(stderr, false);
    release();
  }
  process.once('exit', restore);

  function onKey(key: KeyPress): void {
    // Names as the picture has them.
    const shown = printableDeep(snapshot, terminal.unicode);
    const { state, action } = press(keys, key, (panel) => idsIn(panel, shown, keys));
    keys = state;
    if (action === 'open') open();
    if (action === 'copy') copy(shown);
    ink.rerender(element());
    if (action === 'stop') options.onStop();
    if (action === 'force') options.onForce();
    if (action === 'leave') void leave();
  }

  function open(): void {
    sample = undefined;
    const { focus, selected } = keys;
    if (focus !== 'deadLetters' || selected === null) return;
    const found = options.sampleOf?.(selected) ?? Promise.resolve(null);
    void found
      .catch(() => null)
      .then((one) => {
        if (keys.selected === selected) sample = one;
      });
  }

  function copy(shown: StatusSnapshot): void {
    const text = copied(shown, keys);
    if (text === null) return;
    const base64 = Buffer.from(text.slice(0, COPY_CHARACTERS_MAX)).toString('base64');
    // To the clipboard of the machine at which somebody sits, also through ssh.
    stdout.write(`\u001b]52;c;${base64}\u0007`);
    keys = { ...keys, notice: `copied, if the terminal allows it: ${text}` };
  }

  async function leave(): Promise<void> {
    hasLeft = true;
    restore();
    await settled(ink.waitUntilExit());
    await letGo([stdout, stderr]);
    left.resolve('leave');
  }

  function fallBack(error: unknown): void {
    if (!isOpen) return;
    restore();
    plain = inPlainLines(error);
  }

  function inPlainLines(error: unknown): { close(): void } {
    const reason = error instanceof Error ? error.message : String(error);
    stderr.write(`the status view failed (${reason}); the pipeline goes on, its status follows in plain lines\n`);
    return startPlainView({ snapshots, out: stderr, unicode: terminal.unicode });
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
      if (options.attached !== true) stderr.write(`${finalSummary(snapshots()).join('\n')}\n`);
      await letGo([stdout, stderr]);
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

/** Gives terminals back as they were. One that does not take what it was given stays as it is: to write on would wait for ever. */
async function letGo(streams: readonly NodeJS.WritableStream[]): Promise<void> {
  const flushed = streams.map((stream) => new Promise<void>((resolve) => stream.write('', () => resolve())));
  await settled(Promise.all(flushed));
  for (const stream of streams) {
    if ('writableLength' in stream && stream.writableLength === 0) setBlocking(stream, true);
  }
}

/** The end of `work`, however it ends, but no later than a terminal may hold up the end of the process. */
async function settled(work: Promise<unknown>): Promise<void> {
  await Promise.race([work.catch(() => undefined), sleep(CLOSE_MS, undefined, { ref: false })]);
}

function idsIn(panel: Panel, snapshot: StatusSnapshot, keys: KeyState): readonly string[] {
  return itemsIn(panel, snapshot, keys).map((item) => idOf(panel, item));
}

/** What `y` copies: of a detail its first command, else the line. Null where the line is gone. */
function copied(snapshot: StatusSnapshot, keys: KeyState): string | null {
  const { focus, selected, detail } = keys;
  if (focus === null) return null;
  const item = itemsIn(focus, snapshot, keys).find((one) => idOf(focus, one) === selected);
  if (item === undefined) return null;
  const command = detail ? detailOf(focus, item, snapshot, null).commands[0]?.[0] : undefined;
  return command ?? textOf(focus, item, snapshot);
}
