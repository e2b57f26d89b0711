import { exitCodes, PipectlError } from '../errors.ts';
import type { Plan } from '../plan/index.ts';

interface BackfillFlags {
  readonly as?: string;
  readonly from?: string;
  readonly to?: string;
  readonly dryRun: boolean;
}

export interface Backfill {
  /** Records of this time and later are left to the live pipeline; absent: to the end. */
  readonly untilMs?: number;
  planFor(live: Plan): Plan;
}

/** What `--as`, `--from` and `--to` ask for; null without them. */
export async function backfillOf({ as: name, from, to, dryRun }: BackfillFlags): Promise<Backfill | null> {
  if (name === undefined) {
    if (from === undefined && to === undefined) return null;
    throw usage(
      `${from === undefined ? '--to' : '--from'} is for a backfill, which needs a name of its own`,
      'add --as NAME; or move the pipeline itself: `pipectl rewind FILE --to TIME`',
    );
  }
  if (from === undefined) throw usage('a backfill needs a time to begin at', 'add --from 2026-11-01T08:00:00Z');
  if (dryRun) throw usage('--dry-run reads under no group, so there is no backfill to name', 'leave --as out');
  const [{ backfillPlan }, { readInstant }] = await Promise.all([
    import('../operations/positions/backfill.ts'),
    import('../operations/positions/target.ts'),
  ]);
  const nowMs = Date.now();
  const [fromMs, untilMs] = [from, to].map((text) => {
    const atMs = text === undefined ? undefined : readInstant(text, nowMs);
    if (text === undefined || atMs !== undefined) return atMs;
    throw usage(`"${text}" is no time`, 'write one with its zone, 2026-11-01T08:00:00Z, or how long ago, 7d');
  });
  if (untilMs !== undefined && untilMs > nowMs)
    throw usage(`--to ${to} lies in the future`, 'leave it out: a backfill stops at the end it sees at its start');
  if (untilMs !== undefined && untilMs <= fromMs!) throw usage('--to is not after --from', 'turn them round');
  return { ...(untilMs !== undefined && { untilMs }), planFor: (plan) => backfillPlan(plan, name, fromMs!) };
}

const usage = (message: string, hint: string): PipectlError =>
  new PipectlError('usage', message, { hint, exitCode: exitCodes.usage });
