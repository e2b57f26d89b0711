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
}

export interface Recovery {
  /** From the end of the fault until every partition that has something to read was written again; null: not seen. */
  readonly rowsAgainMs: number | null;
  /** From the end of the fault until also the lag was what it usually is. */
  readonly lagBackMs: number | null;
  /** The longest time that a partition with something to read stood still, from the fault on. */
  readonly standstillMs: number;
  /** Nothing came in after the fault, so nothing can be said. */
  readonly isWithoutInput: boolean;
}

export const lagOf = ({ partitions }: Look): number =>
  [...partitions.values()].reduce((sum, { position, end }) => sum + Math.max(0, end - position), 0);

/** A lag that falls by less is chance. */
const backlogMin = 100;

const total = ({ partitions }: Look, of: 'position' | 'end'): number =>
  [...partitions.values()].reduce((sum, partition) => sum + partition[of], 0);

/** Null where nothing was written meanwhile. */
export function baselineOf(looks: readonly Look[]): Baseline | null {
  const known = looks.filter(({ partitions }) => partitions.size > 0);
  const [first, last] = [known[0], known.at(-1)];
  if (first === undefined || last === undefined) return null;
  const changes = [...last.partitions].map(([name, { position, end }]) => {
    // One that is seen later began at some offset, which is no progress.
    const before = known.find(({ partitions }) => partitions.has(name))!.partitions.get(name)!;
    return { written: position - before.position, came: end - before.end };
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
  };
}

/** `looks` are those from the fault on, which began and ended at these times. */
export function recoveryOf(looks: readonly Look[], fromMs: number, endMs: number, baseline: Baseline): Recovery {
  const after = looks.filter(({ atMs }) => atMs > endMs);
  const names = new Set(looks.flatMap(({ partitions }) => [...partitions.keys()]));
  /** Where each stood when the fault was over, or was first seen after it. */
  const stood = new Map<string, number>();
  for (const name of names) {
    const before = looks.findLast(({ atMs, partitions }) => atMs <= endMs && partitions.has(name));
    const known = before ?? after.find(({ partitions }) => partitions.has(name));
    if (known !== undefined) stood.set(name, known.partitions.get(name)!.position);
  }
  const served = new Set<string>();
  let rowsAgainMs: number | null = null;
  let lagBackMs: number | null = null;
  let hasMoved = false;
  for (const look of after) {
    for (const [name, { position, end }] of look.partitions) {
      if (position !== stood.get(name)) {
        served.add(name);
        hasMoved = true;
      } else if (position >= end) served.add(name);
    }
    const isServed = hasMoved && [...names].every((name) => served.has(name) && look.partitions.has(name));
    if (isServed) rowsAgainMs ??= look.atMs - endMs;
    if (rowsAgainMs !== null && lagOf(look) <= baseline.lagMax) {
      lagBackMs = look.atMs - endMs;
      break;
    }
  }
  const last = after.at(-1);
  const isWithoutInput =
    !hasMoved &&
    last !== undefined &&
    last.partitions.size === names.size &&
    lagOf(last) === 0 &&
    total(last, 'end') === total(after[0]!, 'end');
  const recovered = lagBackMs === null ? Number.POSITIVE_INFINITY : endMs + lagBackMs;
  const seen = looks.filter(({ atMs }) => atMs <= recovered);
  return { rowsAgainMs, lagBackMs, standstillMs: standstillOf(seen, fromMs), isWithoutInput };
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
