/** What looks at a pipeline say of how it came through a fault. Pure: looks in, numbers out. */
import type { Look } from './watch.ts';

/** How the pipeline is while nothing is done to it. */
export interface Baseline {
  /** Records that came in, a second. */
  readonly perSecond: number;
  /** Up to here lag is usual. */
  readonly lagMax: number;
  /** It was still working off what had been waiting, so the usual lag is not known: this much was left. Null where not. */
  readonly backlog: number | null;
  /** Partitions that records came to. Until they have moved, nobody knows whether somebody serves them. */
  readonly busy: ReadonlySet<string>;
}

export interface Recovery {
  /** From the end of the fault until every partition was written again that has something to read; null: not seen. */
  readonly rowsAgainMs: number | null;
  /** From the end of the fault until also the lag was what it usually is. */
  readonly lagBackMs: number | null;
  /** The longest time that a partition with something to read stood still, from the fault on. */
  readonly standstillMs: number;
  /** To partitions that are not seen to be written again nothing came after the fault, so nothing can be said. */
  readonly isWithoutInput: boolean;
}

export const lagOf = ({ partitions }: Look): number =>
  [...partitions.values()].reduce((sum, { position, end }) => sum + Math.max(0, end - position), 0);

/** A lag that falls by less is chance. */
const backlogMin = 100;

/** Null where nothing was written meanwhile. */
export function baselineOf(looks: readonly Look[]): Baseline | null {
  const known = looks.filter(({ partitions }) => partitions.size > 0);
  const [first, last] = [known[0], known.at(-1)];
  if (first === undefined || last === undefined) return null;
  const changes = [...last.partitions].map(([name, { position, end }]) => {
    // One that is seen later began at some offset, which is no progress.
    const before = known.find(({ partitions }) => partitions.has(name))!.partitions.get(name)!;
    return { name, written: position - before.position, came: end - before.end };
  });
  if (changes.every(({ written }) => written <= 0)) return null;
  const perSecond = changes.reduce((sum, { came }) => sum + came, 0) / ((last.atMs - first.atMs) / 1000);
  const lags = known.slice(Math.floor(known.length / 2)).map(lagOf);
  const left = lags.at(-1)!;
  return {
    perSecond,
    // Looks are half a second apart, and what was written shows up to half a second later.
    lagMax: Math.ceil(Math.max(...lags) + perSecond),
    backlog: lags[0]! - left > 2 * perSecond + backlogMin ? left : null,
    busy: new Set(changes.flatMap(({ name, came }) => (came > 0 ? [name] : []))),
  };
}

/** `looks` are those from the fault on, which began and ended at these times. */
export function recoveryOf(looks: readonly Look[], fromMs: number, endMs: number, baseline: Baseline): Recovery {
  const after = looks.filter(({ atMs }) => atMs > endMs);
  const names = new Set(looks.flatMap(({ partitions }) => [...partitions.keys()]));
  // What a process had written before it died may show only now: it is the first look after the fault that counts.
  const stood = new Map<string, number>();
  for (const { partitions } of after)
    for (const [name, { position }] of partitions) if (!stood.has(name)) stood.set(name, position);
  const moved = new Set<string>();
  let isWithoutInput = false;
  let rowsAgainMs: number | null = null;
  let lagBackMs: number | null = null;
  for (const look of after) {
    for (const [name, { position }] of look.partitions) if (position !== stood.get(name)) moved.add(name);
    const hasNothing = (name: string): boolean => {
      const partition = look.partitions.get(name);
      return partition !== undefined && partition.position >= partition.end;
    };
    const waiting = [...names].filter((name) => !moved.has(name) && !(hasNothing(name) && !baseline.busy.has(name)));
    isWithoutInput = waiting.every(hasNothing);
    if (waiting.length === 0 && moved.size > 0) rowsAgainMs ??= look.atMs - endMs;
    if (rowsAgainMs !== null && lagOf(look) <= baseline.lagMax) {
      lagBackMs = look.atMs - endMs;
      break;
    }
  }
  const recovered = lagBackMs === null ? Number.POSITIVE_INFINITY : endMs + lagBackMs;
  const seen = looks.filter(({ atMs }) => atMs <= recovered);
  return {
    rowsAgainMs,
    lagBackMs,
    standstillMs: standstillOf(seen, fromMs),
    isWithoutInput: rowsAgainMs === null && after.length > 0 && isWithoutInput,
  };
}

function standstillOf(looks: readonly Look[], fromMs: number): number {
  const moved = new Map<string, { position: number; atMs: number }>();
  let longest = 0;
  for (const { atMs, partitions } of looks) {
    for (const [name, { position, end }] of partitions) {
      const last = moved.get(name) ?? { position, atMs: fromMs };
      if (position === last.position && position < end) {
        longest = Math.max(longest, atMs - last.atMs);
        moved.set(name, last);
      } else moved.set(name, { position, atMs });
    }
    // Of a partition that nobody answers for it is not known that it was served.
    for (const [name, last] of moved) if (!partitions.has(name)) longest = Math.max(longest, atMs - last.atMs);
  }
  return longest;
}

/** Offsets that went back, each with its partition and both numbers. */
export function wentBack(looks: readonly Look[]): readonly string[] {
  const found: string[] = [];
  for (const [index, look] of looks.entries()) {
    for (const [name, { position }] of look.partitions) {
      const before = looks[index - 1]?.partitions.get(name)?.position ?? position;
      if (position < before) found.push(`${name} from ${before} to ${position}`);
    }
  }
  return found;
}
