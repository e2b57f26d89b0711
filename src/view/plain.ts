import { runbookCommand, runbookFor } from '../runtime/runbooks.ts';
import type { StatusEvent, StatusSnapshot } from '../runtime/status.ts';
import { accountTerms, differenceWords } from './account.ts';
import { formatCount, formatDuration, formatLatency, formatRate, formatRateWithUnit, formatRatio } from './format.ts';
import { printableDeep } from './text.ts';
import { lagWords, stateWords, verdict } from './verdict.ts';

/** How often events and the state are looked at, in milliseconds. */
const POLL_MS = 250;

/**
 * Plain lines for where there is no terminal: a line at the start, one every `summaryMs` (default 5 s) and at every
 * change of state, events as they come, and `finalSummary` on `close`.
 */
export function startPlainView(options: {
  readonly snapshots: () => StatusSnapshot;
  readonly out: NodeJS.WritableStream;
  readonly summaryMs?: number;
  /** False writes ASCII alone. */
  readonly unicode?: boolean;
  /** Lines of other pipelines stand between its own: each says whose it is. */
  readonly isOneOfSeveral?: boolean;
}): { close(): void } {
  const { out, summaryMs = 5_000, unicode = true, isOneOfSeveral = false } = options;
  const read = (): StatusSnapshot => printableDeep(options.snapshots(), unicode);
  const write = (lines: readonly string[]): void => {
    for (const line of lines) out.write(`${line}\n`);
  };

  const eventLines = ({ pipeline, events: all }: StatusSnapshot): readonly string[] =>
    newEvents(all, events[0]).map((event) => eventLine(event, isOneOfSeveral ? pipeline : null));

  let events: readonly StatusEvent[] = [];
  let shown: { readonly state: string; readonly atMs: number } | null = null;

  const show = (snapshot: StatusSnapshot): void => {
    if (shown === null) write([`${stamp(snapshot.atMs)} ${snapshot.pipeline} ${startWords(snapshot)}`]);
    write(eventLines(snapshot));
    events = snapshot.events;
    if (snapshot.state === shown?.state && snapshot.atMs - shown.atMs < summaryMs) return;
    write([summaryLine(snapshot)]);
    shown = { state: snapshot.state, atMs: snapshot.atMs };
  };
  // A view that fails must not stop what it looks at. It says so, once for each reason.
  let failure = '';
  const guarded = (work: () => void): void => {
    try {
      work();
      failure = '';
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (reason !== failure) write([`no status: ${reason}`]);
      failure = reason;
    }
  };
  const poll = (): void => guarded(() => show(read()));
  poll();
  const timer = setInterval(poll, POLL_MS);
  timer.unref();
  return {
    close() {
      clearInterval(timer);
      guarded(() => {
        const last = read();
        write(eventLines(last));
        write(finalSummary(last));
      });
    },
  };
}

/** Everything on one line, what is wrong last: that is where the eye ends. */
export function summaryLine(snapshot: StatusSnapshot): string {
  const { deadLetters, endToEnd, sinks } = snapshot;
  return [
    `${stamp(snapshot.atMs)} ${snapshot.pipeline} ${stateWords(snapshot)}`,
    `in ${formatRate(readPerSecond(snapshot))}/s`,
    ...sinks.map((sink) => `${sink.name} ${formatRate(sink.rowsPerSecond)}/s`),
    lagWords(snapshot),
    `p99 ${formatLatency(endToEnd.p99Ms)}`,
    deadWords(deadLetters),
    ...verdict(snapshot).causes.map((cause) => `! ${cause}`),
  ].join('  ');
}

/** `dead 7 (+2.0/s), 1,317 open`: made by this process, open in the queue. */
function deadWords({ total, perSecond, letters }: StatusSnapshot['deadLetters']): string {
  const growth = perSecond > 0 ? ` (+${formatRateWithUnit(perSecond)})` : '';
  const open = letters === null || letters.open === 0 ? '' : `, ${formatCount(letters.open)} open`;
  return `dead ${formatCount(total)}${growth}${open}`;
}

/** What the first stage is given; of several sources together. Null before it is known. */
export function readPerSecond({ stages }: StatusSnapshot): number | null {
  const rates = stages.flatMap(({ kind, inPerSecond }) =>
    kind === 'decode' && inPerSecond !== null ? [inPerSecond] : [],
  );
  return rates.length === 0 ? null : rates.reduce((sum, rate) => sum + rate, 0);
}

/** What a run came to: the account, each sink, the dead letters by cause. Lines without their ends. */
export function finalSummary(raw: StatusSnapshot): readonly string[] {
  const snapshot = printableDeep(raw, true);
  const { account, deadLetters, sinks } = snapshot;
  return [
    `${stamp(snapshot.atMs)} ${snapshot.pipeline} ${snapshot.state.toUpperCase()} after ${formatDuration(snapshot.atMs - snapshot.startedAtMs)}`,
    `  account: ${accountTerms(account).join(' ')}; ${differenceWords(account)}`,
    ...sinks.map((sink) => `  sink ${sink.name}: ${sinkTotals(sink)}`),
    ...snapshot.breakers
      .filter(({ state }) => state === 'open')
      .map(
        ({ sink, ratio, ratioMax }) =>
          `  breaker open${sink === null ? '' : ` at ${sink}`}: ${formatRatio(ratio)} dead letters, more than ${formatRatio(ratioMax)}; what it holds was not written`,
      ),
    ...(deadLetters.total === 0
      ? []
      : [`  dead letters: ${formatCount(deadLetters.total)} in ${deadLetters.destination}`]),
    ...deadLetters.causes.map(
      (cause) => `    ${cause.fingerprint}  ${formatCount(cause.count)}  ${cause.stage}  ${cause.message}`,
    ),
  ];
}

function sinkTotals(sink: StatusSnapshot['sinks'][number]): string {
  const rest: readonly (readonly [string, number])[] = [
    ['superseded', sink.superseded],
    ['already written', sink.skippedOffset],
    ['older than the row', sink.skippedVersion],
    ['excluded', sink.excluded],
    ['rejected', sink.rejected],
  ];
  return [
    `${formatCount(sink.written)} rows written`,
    ...rest.filter(([, count]) => count > 0).map(([word, count]) => `${formatCount(count)} ${word}`),
  ].join(', ');
}

function startWords(snapshot: StatusSnapshot): string {
  const delivery = snapshot.delivery.map(({ sink, verdict: words }) => `${sink} (${words})`).join(', ');
  const environment = snapshot.environment === null ? '' : `, env ${snapshot.environment}`;
  return `reads ${snapshot.source}, writes ${delivery || 'nothing'}${environment}`;
}

/** Those that came after `last`, oldest first. `events` is newest first. */
function newEvents(events: readonly StatusEvent[], last: StatusEvent | undefined): readonly StatusEvent[] {
  const seen =
    last === undefined
      ? -1
      : events.findIndex(
          (event) =>
            // What has happened again since then stands further up, with a new time.
            event.atMs < last.atMs ||
            (event.atMs === last.atMs && event.code === last.code && event.message === last.message),
        );
  return (seen === -1 ? events : events.slice(0, seen)).toReversed();
}

function eventLine(event: StatusEvent, of: string | null): string {
  const runbook = event.level === 'info' ? null : runbookFor(event.code);
  const hint = runbook === null ? '' : `  (${runbookCommand(runbook)})`;
  const whose = of === null ? '' : `${of} `;
  return `${stamp(event.atMs)} ${whose}${event.level} ${event.code} ${event.message}${hint}`;
}

/** These lines end in log files, so they carry the date, in UTC. */
function stamp(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19)}Z`;
}
