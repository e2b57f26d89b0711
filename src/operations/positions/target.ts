/** Where `rewind` is to go, as it is written on the command line. */
import { parseDuration, parseTime } from '../../declaration/units.ts';
import { exitCodes, PipectlError } from '../../errors.ts';

export interface OffsetTarget {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

export type RewindTarget =
  | { readonly kind: 'earliest' | 'latest' }
  /** Per partition the first record whose timestamp is at or after it. */
  | { readonly kind: 'time'; readonly atMs: number }
  /** Other partitions stay where they are. */
  | { readonly kind: 'offsets'; readonly offsets: readonly OffsetTarget[] };

/** Reads `earliest`, `latest`, a time, how long ago, or `topic:partition=offset,...`; wrong usage for anything else. */
export function parseTarget(text: string, nowMs: number): RewindTarget {
  if (text === 'earliest' || text === 'latest') return { kind: text };
  const offsets = text.split(',').map(parseOffset);
  if (offsets.every((one) => one !== null)) {
    const twice = offsets.find((one, at) => offsets.some((other, i) => i < at && isSame(one, other)));
    if (twice === undefined) return { kind: 'offsets', offsets };
    throw usage(`${twice.topic}:${twice.partition} is given twice`);
  }
  const atMs = readInstant(text, nowMs);
  if (atMs !== undefined) return { kind: 'time', atMs };
  throw usage(
    `"${text}" is not a place to go to: earliest, latest, a time with its zone (2026-11-01T08:00:00Z), how long ago (30m), or topic:partition=offset,...`,
  );
}

/** A time with its zone, or how long ago; undefined for anything else. */
export function readInstant(text: string, nowMs: number): number | undefined {
  const agoMs = parseDuration(text);
  return agoMs === undefined ? parseTime(text) : nowMs - agoMs;
}

function parseOffset(text: string): OffsetTarget | null {
  const [, topic, partition, offset] = /^(.+):(\d{1,9})=(\d{1,15})$/.exec(text.trim()) ?? [];
  return topic === undefined ? null : { topic, partition: Number(partition), offset: Number(offset) };
}

const isSame = (one: OffsetTarget, other: OffsetTarget): boolean =>
  one.topic === other.topic && one.partition === other.partition;

const usage = (message: string): PipectlError => new PipectlError('usage', message, { exitCode: exitCodes.usage });
