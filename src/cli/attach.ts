/** The status view of a pipeline that runs in another process. */
import { setTimeout as sleep } from 'node:timers/promises';
import { PipectlError } from '../errors.ts';
import { type ControlSocket, askControl } from '../runtime/control.ts';
import type { DeadLetterSample } from '../runtime/status.ts';
import { formatDuration } from '../view/format.ts';
import type { Terminal } from '../view/terminal.ts';
import { statusOf } from './running.ts';

const EVERY_MS = 250;
/** Without a new status for so long, the picture says so. */
const SILENT_MS = 2_000;

/** Shows it until the user leaves or the process ends. Rejects where it never answers. */
export async function attach(name: string, socket: ControlSocket, terminal: Terminal): Promise<void> {
  const first = await statusOf(socket);
  if (first === null) throw new PipectlError('pipeline_not_running', `${name} has just ended`);
  let snapshot = first;
  let answeredAtMs = Date.now();
  const { stdin, stdout, stderr } = process;
  const { startInkView } = await (await import('../view/ink/load.ts')).loadInkView();
  const left = new AbortController();
  const leave = (): void => left.abort();
  const view = startInkView({
    snapshots: () => snapshot,
    onStop: leave,
    onForce: leave,
    stdin,
    stdout,
    stderr,
    terminal,
    attached: true,
    note: () => {
      const silentMs = Date.now() - answeredAtMs;
      return silentMs > SILENT_MS ? `NO ANSWER ${formatDuration(silentMs)}` : undefined;
    },
    async sampleOf(fingerprint) {
      const query = new URLSearchParams({ fingerprint });
      const answer = await askControl(socket.path, 'GET', `/dead-letter?${query.toString()}`);
      return answer?.status === 200 ? (answer.body as DeadLetterSample | null) : null;
    },
  });
  void view.closedByUser.then(leave);
  process.once('SIGTERM', leave);
  let hasEnded = false;
  while (!left.signal.aborted && !hasEnded) {
    // One that stands still may go on: its last status stays, with a note of how old it is.
    const next = await statusOf(socket).catch(() => undefined);
    hasEnded = next === null;
    if (next) {
      snapshot = next;
      answeredAtMs = Date.now();
    }
    if (!hasEnded) await sleep(EVERY_MS, undefined, { signal: left.signal }).catch(() => undefined);
  }
  process.off('SIGTERM', leave);
  await view.close();
  if (hasEnded) stderr.write(`pipectl: ${name} has ended\n`);
}
