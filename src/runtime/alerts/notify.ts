/** Sends messages of alerts. Never blocks and never stops a pipeline: what can't be sent is told in the log. */
import { spawn } from 'node:child_process';
import type { NotifyTarget } from '../../definition/alerts.ts';
import { backoffMs } from '../../engine/backoff.ts';
import type { Clock, Log } from '../../engine/ports.ts';
import type { AlertMessage } from './message.ts';

export interface SendResult {
  readonly sent: boolean;
  /** What came back, without the address. */
  readonly answer: string;
  /** Trying again is pointless: the answer was a refusal. */
  readonly isFinal: boolean;
}

/** What a target is called where people read: its kind and host. The rest of an address is often the secret. */
export function targetName(target: NotifyTarget): string {
  return target.kind === 'command' ? `command ${target.argv[0]!}` : `${target.kind} ${new URL(target.url).host}`;
}

/** One attempt, within the target's time. Never rejects. */
export function send(target: NotifyTarget, message: AlertMessage, signal?: AbortSignal): Promise<SendResult> {
  const over = AbortSignal.any([AbortSignal.timeout(target.timeoutMs), ...(signal === undefined ? [] : [signal])]);
  if (target.kind === 'command') return runCommand(target.argv, message, over);
  return post(target.url, target.kind === 'slack' ? slackBody(message) : message, over);
}

const marks = { firing: ':red_circle: FIRING', resolved: ':large_green_circle: RESOLVED', test: ':white_circle: TEST' };

/** `&`, `<` and `>` are Slack's own (https://api.slack.com/reference/surfaces/formatting#escaping). */
function slackBody({ state, pipeline, text, runbook }: AlertMessage): { readonly text: string } {
  const escaped = (plain: string) => plain.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  const what = runbook === null || state !== 'firing' ? '' : `\n\`${escaped(runbook)}\``;
  return { text: `${marks[state]} *${escaped(pipeline)}* ${escaped(text)}${what}` };
}

async function post(url: string, body: unknown, signal: AbortSignal): Promise<SendResult> {
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': 'pipectl' },
      body: JSON.stringify(body),
      // To another host the message, and with it the address, would go unasked.
      redirect: 'manual',
      signal,
    });
    await answer.body?.cancel();
    const { status } = answer;
    const isFinal = status >= 300 && status < 500 && status !== 408 && status !== 425 && status !== 429;
    return { sent: answer.ok, answer: `HTTP ${status}`, isFinal };
  } catch (error) {
    return { sent: false, answer: reasonOf(error), isFinal: false };
  }
}

/** The code of a failure: its text may hold the address. */
function reasonOf(error: unknown): string {
  const { name, cause } = error as Error & { readonly cause?: { readonly code?: string } };
  if (name === 'TimeoutError') return 'no answer in time';
  return (
    cause?.code ??
    (error as { readonly code?: string }).code ??
    (name === 'TypeError' ? 'the address is refused' : name)
  );
}

function runCommand(argv: readonly string[], message: AlertMessage, signal: AbortSignal): Promise<SendResult> {
  const [program, ...args] = argv as [string, ...string[]];
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'ignore'], signal, killSignal: 'SIGKILL' });
    child.once('error', (error) =>
      resolve({
        sent: false,
        answer: error.name === 'AbortError' ? 'not done in time' : reasonOf(error),
        isFinal: error.name !== 'AbortError',
      }),
    );
    child.once('close', (code, by) =>
      resolve({ sent: code === 0, answer: code === null ? `killed by ${by}` : `exit code ${code}`, isFinal: false }),
    );
    // It need not read what it is given.
    child.stdin.on('error', () => undefined);
    child.stdin.end(`${JSON.stringify(message)}\n`);
  });
}

const attemptsMax = 8;
const waitingMax = 100;
const closeMs = 3000;

export interface NotifierOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/** Sends to all targets, each in order and at its own pace, with back-off. */
export class Notifier {
  readonly #options: NotifierOptions;
  readonly #closing = new AbortController();
  readonly #lines: { readonly target: NotifyTarget; readonly waiting: AlertMessage[]; working: Promise<void> | null }[];

  constructor(targets: readonly NotifyTarget[], options: NotifierOptions) {
    this.#options = options;
    this.#lines = targets.map((target) => ({ target, waiting: [], working: null }));
  }

  push(message: AlertMessage): void {
    for (const line of this.#lines) {
      line.waiting.push(message);
      // Of a target that has been away for long the newest matter.
      if (line.waiting.length > waitingMax) line.waiting.shift();
      line.working ??= this.#work(line).finally(() => (line.working = null));
    }
  }

  /** Gives what waits a few seconds. Never rejects. */
  async close(): Promise<void> {
    const over = new AbortController();
    const all = Promise.all(this.#lines.flatMap(({ working }) => working ?? []));
    await Promise.race([all, this.#options.clock.sleep(closeMs, over.signal)]);
    over.abort();
    this.#closing.abort();
    await all;
  }

  async #work({ target, waiting }: { readonly target: NotifyTarget; readonly waiting: AlertMessage[] }): Promise<void> {
    for (let message = waiting.shift(); message !== undefined; message = waiting.shift())
      await this.#deliver(target, message);
  }

  async #deliver(target: NotifyTarget, message: AlertMessage): Promise<void> {
    const { clock, random, log } = this.#options;
    const { signal } = this.#closing;
    for (let attempt = 1; !signal.aborted; attempt++) {
      const { sent, answer, isFinal } = await send(target, message, signal);
      if (sent) return;
      if (isFinal || attempt === attemptsMax || signal.aborted) {
        log.warn(
          'alert_not_sent',
          `${targetName(target)} was not told of ${message.alert} ${message.state}: ${answer}`,
        );
        return;
      }
      await clock.sleep(backoffMs(attempt, random()), signal);
    }
  }
}
