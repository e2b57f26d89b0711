/** What the doctor says: facts are gathered elsewhere, and a finding is what follows from them. */
export type Severity = 'ok' | 'info' | 'warning' | 'error';

export interface Finding {
  readonly severity: Severity;
  /** What was looked at, the same word each time: `brokers`, `disk`, `replication`. */
  readonly check: string;
  /** What it is about: `topic orders`, `broker 1 (10.0.0.1:9092)`. */
  readonly subject: string;
  readonly message: string;
  /** What to do; null where there is nothing to do. */
  readonly remedy: string | null;
}

const order: readonly Severity[] = ['error', 'warning', 'info', 'ok'];

/** Worst first, else as they were found. */
export const worstFirst = (findings: readonly Finding[]): readonly Finding[] =>
  findings.toSorted((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));

/** Without findings all is well. */
export const worstOf = (findings: readonly Finding[]): Severity => worstFirst(findings)[0]?.severity ?? 'ok';

export const fine = (check: string, subject: string, message: string): Finding => ({
  severity: 'ok',
  check,
  subject,
  message,
  remedy: null,
});

/** Shares of a disk from which it is a warning, and an error. */
const [fillingShare, nearlyFullShare] = [0.8, 0.9];
/** Time until it is full from which it is a warning, and an error. */
const [fillingMs, nearlyFullMs] = [24 * 3_600_000, 4 * 3_600_000];

export interface DiskUse {
  readonly totalBytes: number;
  readonly usableBytes: number;
  /** Null where it was looked at only once. */
  readonly growthPerSecond: number | null;
}

/** How full a disk is, and how long it lasts at the present growth. */
export function diskFinding(subject: string, { totalBytes, usableBytes, growthPerSecond }: DiskUse): Finding {
  const usedShare = totalBytes === 0 ? 1 : 1 - usableBytes / totalBytes;
  const leftMs = growthPerSecond !== null && growthPerSecond > 0 ? (usableBytes / growthPerSecond) * 1000 : null;
  const isShort = (limitMs: number) => leftMs !== null && leftMs < limitMs;
  const severity: Severity =
    usedShare >= nearlyFullShare || isShort(nearlyFullMs)
      ? 'error'
      : usedShare >= fillingShare || isShort(fillingMs)
        ? 'warning'
        : 'ok';
  const growth = growthPerSecond === null ? '' : `, grows by ${bytesText(growthPerSecond)}/s`;
  const left = leftMs === null || leftMs > 30 * 24 * 3_600_000 ? '' : `: full in ${hoursText(leftMs)}`;
  return {
    severity,
    check: 'disk',
    subject,
    message: `${Math.round(usedShare * 100)} % used, ${bytesText(usableBytes)} free${growth}${left}`,
    remedy: severity === 'ok' ? null : 'pipectl runbook disk-filling',
  };
}

/** `1.5 GiB`. */
export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, Math.abs(bytes))) / 10)));
  const value = bytes / 1024 ** power;
  return `${value < 10 && power > 0 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}

const hoursText = (ms: number): string =>
  ms < 2 * 3_600_000 ? `${Math.round(ms / 60_000)} minutes` : `${Math.round(ms / 3_600_000)} hours`;

/** `p0, p3 and 4 more`. */
export function partitionsText(partitions: readonly number[]): string {
  const shown = partitions
    .slice(0, 5)
    .map((partition) => `p${partition}`)
    .join(', ');
  return partitions.length > 5 ? `${shown} and ${partitions.length - 5} more` : shown;
}

export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
