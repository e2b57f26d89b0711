/** What `run` shows of a pipeline, and where. */
import type { RunningPipeline } from '../runtime/run.ts';
import { finalSummary, startPlainView } from '../view/plain.ts';
import { describeTerminal } from '../view/terminal.ts';

export const viewKinds = ['auto', 'ink', 'plain', 'json', 'none'] as const;
export type ViewKind = (typeof viewKinds)[number];
type ChosenView = Exclude<ViewKind, 'auto'> | 'summary';

export interface RunViewOptions {
  readonly kind: ChosenView;
  readonly color: boolean;
  /** Rows have stdout: lines go to stderr. */
  readonly writesStdout: boolean;
  /** Others are shown beside it. */
  readonly isOneOfSeveral: boolean;
  readonly stop: () => void;
}

/**
 * The picture at a terminal, lines elsewhere; no more than the end where rows have stdout and the log has stderr. One
 * picture has no room for several pipelines: these have lines at a terminal too.
 */
export function chosenView(asked: ViewKind, writesStdout: boolean, isSeveral: boolean): ChosenView {
  const kind = asked === 'auto' ? automaticView(writesStdout) : asked;
  return kind === 'ink' && isSeveral ? 'plain' : kind;
}

function automaticView(writesStdout: boolean): ChosenView {
  if (writesStdout) return process.stderr.isTTY ? 'plain' : 'summary';
  return process.stdin.isTTY && process.stdout.isTTY ? 'ink' : 'plain';
}

export async function openView(
  pipeline: RunningPipeline,
  { kind, color, writesStdout, isOneOfSeveral, stop }: RunViewOptions,
): Promise<{ close(): void | Promise<void> }> {
  const snapshots = () => pipeline.snapshot();
  const { stdin, stdout, stderr } = process;
  const terminal = describeTerminal(process.env, !color);
  switch (kind) {
    case 'ink': {
      const { startInkView } = await (await import('../view/ink/load.ts')).loadInkView();
      const force = () => process.exit(130);
      const sampleOf = (fingerprint: string) => Promise.resolve(pipeline.deadLetterSample(fingerprint));
      const ink = startInkView({ snapshots, sampleOf, onStop: stop, onForce: force, stdin, stdout, stderr, terminal });
      let lines: { close(): void } | undefined;
      void ink.closedByUser.then(() => (lines = startPlainView({ snapshots, out: stdout, unicode: terminal.unicode })));
      return { close: async () => (lines ? lines.close() : ink.close()) };
    }
    case 'plain':
      return startPlainView({
        snapshots,
        out: writesStdout ? stderr : stdout,
        unicode: terminal.unicode,
        isOneOfSeveral,
      });
    case 'json': {
      const { startJsonView } = await import('../view/json.ts');
      return startJsonView({ snapshots, out: writesStdout ? stderr : stdout });
    }
    case 'summary':
      return {
        close() {
          const last = snapshots();
          // Of a run that failed its error is told.
          if (last.state !== 'failed') stderr.write(`${finalSummary(last).join('\n')}\n`);
        },
      };
    case 'none':
      return { close: () => undefined };
  }
}
