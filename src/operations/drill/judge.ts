/** Checks of one fault, from what was seen. Pure. */
import type { Lost } from './crew.ts';
import type { FaultName } from './faults.ts';
import type { Recovery } from './recovery.ts';
import { wentBack } from './recovery.ts';
import type { Check } from './report.ts';
import type { Look } from './watch.ts';

/** A dead letter that came since the fault began. */
export interface SeenLetter {
  readonly id: string;
  readonly stage: string;
  readonly code: string;
  /** It is one of the records that this fault sent. */
  readonly isPoison: boolean;
}

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
const many = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`;
const shownMax = 3;

function listed(items: readonly string[]): string {
  const shown = [...new Set(items)];
  const more = shown.length > shownMax ? `, and ${shown.length - shownMax} more` : '';
  return `${shown.slice(0, shownMax).join(', ')}${more}`;
}

export function firedCheck(fault: FaultName, fired: number): Check {
  const counted = {
    kill: 'process killed',
    freeze: 'process stood still',
    restart: 'process restarted',
    'sink-away': 'connections reset or refused',
    'broker-away': 'connections reset or refused',
    poison: 'bad records sent',
  }[fault];
  return fired > 0
    ? { check: 'fired', verdict: 'held', message: `${fired} ${counted}` }
    : { check: 'fired', verdict: 'unknown', message: 'it did not happen, so it shows nothing' };
}

/** `lastStates`: of the processes, at the last look. */
export function recoveredCheck(recovery: Recovery, withinMs: number, looks: readonly Look[]): Check {
  const { rowsAgainMs, lagBackMs, isWithoutInput } = recovery;
  const check = 'recovered';
  if (lagBackMs !== null && rowsAgainMs !== null) {
    const message = `rows again after ${seconds(rowsAgainMs)}, lag back to usual after ${seconds(lagBackMs)}`;
    return { check, verdict: 'held', message };
  }
  if (isWithoutInput)
    return { check, verdict: 'unknown', message: 'no record came after it where records came before, so nobody knows' };
  const states = listed(looks.at(-1)?.members.map(({ state }) => state) ?? []);
  const what =
    rowsAgainMs === null ? 'partitions stand still' : `rows again after ${seconds(rowsAgainMs)}, but the lag`;
  const message = `not recovered: ${what}${rowsAgainMs === null ? '' : ' is above what is usual'} after ${seconds(withinMs)}`;
  return { check, verdict: 'broken', message: `${message}${states === '' ? '' : ` (${states})`}` };
}

export function accountCheck(looks: readonly Look[]): Check {
  const check = 'account';
  const told = looks.flatMap(({ members }) => members);
  if (told.length === 0) return { check, verdict: 'unknown', message: 'no process answered' };
  const missing = told.flatMap(({ pid, differences }) => differences.map((one) => `${one} in process ${pid}`));
  return missing.length === 0
    ? { check, verdict: 'held', message: `difference 0 in ${many(told.length, 'look')} at the processes` }
    : { check, verdict: 'broken', message: `not accounted for: ${listed(missing)}` };
}

/** `isStopping`: a sink of the pipeline ends the run when it stays away (`retry.then: stop`), and it is one that was away. */
export function processesCheck(lost: readonly Lost[], isStopping: boolean): Check {
  const check = 'processes';
  const odd = lost.filter(({ end }) => !(isStopping && end.code === 3));
  if (odd.length > 0) {
    const ends = odd.map(
      ({ end, reason }) => `${end.signal ?? `exit code ${end.code}`} (${reason || 'without a word'})`,
    );
    return { check, verdict: 'broken', message: `${many(odd.length, 'process')} ended by itself: ${listed(ends)}` };
  }
  return lost.length === 0
    ? { check, verdict: 'held', message: 'none ended by itself' }
    : { check, verdict: 'held', message: `${lost.length} ended with exit code 3, as \`retry: { then: stop }\` says` };
}

export function offsetsCheck(looks: readonly Look[]): Check {
  const back = wentBack(looks);
  return back.length === 0
    ? { check: 'offsets', verdict: 'held', message: 'no committed offset went back' }
    : { check: 'offsets', verdict: 'broken', message: `offsets went back: ${listed(back)}` };
}

/**
 * Dead letters since the fault. What `decode` and steps refuse is a matter of the record alone; a sink that suddenly refuses
 * rows, or letters of a service that was away, are the fault's doing. `usual`: stage and code of those before it. `isGivenUp`:
 * a sink that was away makes letters (`retry.then: dlq`).
 */
export function deadLettersCheck(
  letters: readonly SeenLetter[],
  usual: ReadonlySet<string>,
  poisoned: number,
  isGivenUp: boolean,
): Check {
  const check = 'dead_letters';
  const found = [...new Map(letters.map((letter) => [letter.id, letter])).values()];
  const poison = found.filter(({ isPoison }) => isPoison).length;
  const others = found.filter(({ isPoison }) => !isPoison);
  const isAway = ({ code }: SeenLetter): boolean => code === 'sink_unavailable';
  const byFault = others.filter((letter) =>
    isAway(letter) ? !isGivenUp : letter.stage.startsWith('sink:') && !usual.has(causeOf(letter)),
  );
  if (byFault.length > 0) {
    const causes = listed(byFault.map(causeOf));
    return {
      check,
      verdict: 'broken',
      message: `${many(byFault.length, 'letter')} that only the fault explains: ${causes}`,
    };
  }
  if (poison < poisoned) {
    const message = `${many(poisoned - poison, 'bad record')} of ${poisoned} did not become a dead letter`;
    return { check, verdict: 'broken', message };
  }
  const unusual = others.filter((letter) => !isAway(letter) && !usual.has(causeOf(letter)));
  const parts = [
    ...(poisoned > 0 ? [`each of the ${poisoned} bad records once or more, each with one id`] : []),
    ...(others.some(isAway) ? [`${others.filter(isAway).length} of a sink that was away, as \`retry\` says`] : []),
    ...(unusual.length > 0
      ? [
          `${many(unusual.length, 'letter')} of records that the steps refuse, which the baseline had none of: ${listed(unusual.map(causeOf))}`,
        ]
      : []),
  ];
  return { check, verdict: 'held', message: parts.length === 0 ? 'no new cause' : parts.join('; ') };
}

export const causeOf = ({ stage, code }: Pick<SeenLetter, 'stage' | 'code'>): string => `${stage} ${code}`;

/** Each process that was told to end: how, and how long it took. */
export function drainedCheck(
  ends: readonly {
    readonly code: number | null;
    readonly signal: string | null;
    readonly tookMs: number;
    readonly reason: string;
  }[],
): Check {
  const check = 'drained';
  const bad = ends.filter(({ code }) => code !== 0);
  if (bad.length > 0) {
    const how = bad.map(({ code, signal, reason, tookMs }) =>
      signal === null ? `exit code ${code}: ${reason}` : `${signal} after ${seconds(tookMs)}`,
    );
    return { check, verdict: 'broken', message: `${many(bad.length, 'process')} did not drain: ${listed(how)}` };
  }
  const longest = Math.max(0, ...ends.map(({ tookMs }) => tookMs));
  return { check, verdict: 'held', message: `exit code 0 after ${seconds(longest)}` };
}
