/** Causes and dead letters for people and for programs. */
import { isUtf8 } from 'node:buffer';
import type { HeaderValue } from '../engine/ports.ts';
import type { CauseList, CauseSummary, States } from '../operations/dead-letters/list.ts';
import { isList, stripControls } from '../operations/dead-letters/record.ts';
import { type LetterAct, type LetterState, statusOf } from '../operations/dead-letters/state.ts';
import type { DeadLetterView } from '../operations/dead-letters/view.ts';
import { formatClock, formatCount, formatRate } from '../view/format.ts';
import { printable } from '../view/text.ts';
import { type Column, table } from './table.ts';

const valueCharactersMax = 64 * 1024;
const hexBytesMax = 256;

const text = (value: string | null): string => (value === null ? '-' : printable(value, true));

const causeColumns = (nowMs: number): readonly Column<CauseSummary>[] => [
  { title: 'CAUSE', align: 'left', cell: ({ fingerprint }) => text(fingerprint) },
  { title: 'COUNT', align: 'right', cell: ({ count }) => formatCount(count) },
  { title: 'OPEN', align: 'right', cell: ({ open }) => formatCount(open) },
  { title: 'PER MIN', align: 'right', cell: ({ perMinute }) => formatRate(perMinute) },
  { title: 'FIRST', align: 'right', cell: ({ firstAtMs }) => formatClock(firstAtMs, nowMs) },
  { title: 'LAST', align: 'right', cell: ({ lastAtMs }) => formatClock(lastAtMs, nowMs) },
  { title: 'STAGE', align: 'left', cell: ({ stage }) => text(stage) },
  { title: 'CODE', align: 'left', cell: ({ code }) => text(code) },
  { title: 'MESSAGE', align: 'left', cell: ({ message }) => text(message) },
];

export function causesTable(
  { total, causes, uncounted }: CauseList,
  causesInAll: number,
  queue: string,
  nowMs: number,
): string {
  if (total === 0) return `no dead letters in ${text(queue)}\n`;
  const more = causesInAll - causes.length;
  return [
    `${text(queue)}  ${formatCount(total)} dead letters of ${formatCount(causesInAll)} causes\n`,
    table(causeColumns(nowMs), causes),
    more > 0 ? `and ${formatCount(more)} more causes: --limit\n` : '',
    uncounted > 0 ? `and ${formatCount(uncounted)} dead letters of further causes\n` : '',
  ].join('');
}

export function causesJson({ total, causes, uncounted }: CauseList): string {
  return json({ total, uncounted, causes: causes.map(causeJson) });
}

const causeJson = ({ firstAtMs, lastAtMs, ...cause }: CauseSummary) => ({
  ...cause,
  firstAt: isoTime(firstAtMs),
  lastAt: isoTime(lastAtMs),
});

/** `12 open, the oldest since 08:12:30, 4.8 a minute`, then the causes that have open ones. */
export function statsText(list: CauseList, queue: string, nowMs: number): string {
  const { total, open, quarantined, oldestOpenAtMs, perMinute, causes } = list;
  const oldest = oldestOpenAtMs === null ? '' : `, the oldest since ${formatClock(oldestOpenAtMs, nowMs)}`;
  const held = quarantined === 0 ? '' : `, ${formatCount(quarantined)} in quarantine`;
  const closed = formatCount(total - open - quarantined);
  const head = `${text(queue)}  ${formatCount(open)} open${oldest}${held}, ${closed} closed, ${formatRate(perMinute)} a minute\n`;
  const some = causes.filter((cause) => cause.open + cause.quarantined > 0);
  return head + (some.length === 0 ? '' : table(causeColumns(nowMs), some));
}

export function statsJson(list: CauseList): string {
  const { total, open, quarantined, oldestOpenAtMs, perMinute, uncounted, causes } = list;
  const oldestOpenAt = oldestOpenAtMs === null ? null : isoTime(oldestOpenAtMs);
  return json({ total, open, quarantined, oldestOpenAt, perMinute, uncounted, causes: causes.map(causeJson) });
}

/** One line and an exit code after the Nagios plugin convention. */
export function checkStats(
  { open, quarantined, oldestOpenAtMs, perMinute }: CauseList,
  { warn, crit }: { readonly warn: number; readonly crit: number },
  nowMs: number,
): { readonly line: string; readonly exitCode: 0 | 1 | 2 } {
  const waiting = open + quarantined;
  const exitCode = waiting >= crit ? 2 : waiting >= warn ? 1 : 0;
  const word = (['OK', 'WARNING', 'CRITICAL'] as const)[exitCode];
  const oldest = oldestOpenAtMs === null ? '' : `, the oldest since ${isoTime(oldestOpenAtMs)}`;
  const ageS = oldestOpenAtMs === null ? 0 : Math.max(0, Math.round((nowMs - oldestOpenAtMs) / 1000));
  const numbers = `open=${waiting};${warn};${crit} oldest=${ageS}s per_minute=${perMinute.toFixed(1)}`;
  return {
    line: `DLQ ${word} - ${open} open, ${quarantined} in quarantine${oldest} | ${numbers}\n`,
    exitCode,
  };
}

export function lettersText(letters: readonly DeadLetterView[], states: States, queue: string): string {
  if (letters.length === 0) return `no such dead letter in ${text(queue)}\n`;
  return letters.map((letter) => letterText(letter, states.get(letter.id))).join('\n');
}

/** `resolved  2026-11-22T08:00:00.000Z by ada@desk: a test record`. */
function actText({ status, at, by, note, end, edits = [] }: LetterAct): [string, string] {
  const what = [...(end === undefined ? [] : [end]), ...edits.map((edit) => `with ${edit}`)].join(', ');
  return [status, `${at} by ${by}${what === '' ? '' : ` (${what})`}${note === null ? '' : `: ${note}`}`];
}

function letterText(letter: DeadLetterView, state: LetterState | undefined): string {
  const { record, source, headers } = letter;
  const element = source.element === null ? '' : ` element ${source.element}`;
  const lines: [string, string][] = [
    ['id', letter.writer === 'pipectl' ? letter.id : `${letter.id} (by its place: written by ${letter.writer})`],
    ['failed', `${isoTime(letter.failedAtMs)} in ${letter.stage ?? '-'}, cause ${letter.fingerprint}`],
    ['why', `${letter.code ?? '-'}: ${letter.message ?? '-'}`],
    ['from', `${source.topic ?? '-'} partition ${source.partition ?? '-'} offset ${source.offset ?? '-'}${element}`],
    ...(source.timestampMs === null ? [] : [['timestamp', isoTime(source.timestampMs)] as [string, string]]),
    ['queue', `${record.place.queue} partition ${record.place.partition} offset ${record.place.offset}`],
    ...(letter.pipeline === null ? [] : [['pipeline', letter.pipeline] as [string, string]]),
    ['attempts', `${letter.attempts ?? '-'}, replayed ${letter.replayCount ?? '-'}`],
    ['state', statusOf(letter.failedAtMs, state)],
    ...(letter.redacted.length === 0 ? [] : [['redacted', letter.redacted.join(', ')] as [string, string]]),
    ...(state === undefined ? [] : [state, ...state.history].map(actText)),
    ['key', record.key === null ? 'null' : shownBytes(record.key)],
    ...Object.entries(headers).map(([name, value]): [string, string] => [`header ${name}`, shownHeader(value)]),
  ];
  const value = letter.payloadOmitted
    ? `omitted: ${letter.redacted.length > 0 ? 'it can not be read, so nothing could be redacted' : 'too large for the queue'}; it is at its offset in the source, where \`dlq replay\` reads it`
    : letter.isPurged
      ? 'removed by `dlq purge`'
      : record.value === null
        ? 'null (tombstone)'
        : shownBytes(record.value);
  return `${lines.map(([name, value]) => `${text(name).padEnd(10)} ${text(value)}\n`).join('')}value\n${indented(value)}\n`;
}

export function lettersJson(letters: readonly DeadLetterView[], states: States): string {
  return json({
    letters: letters.map(({ record, headers, source, failedAtMs, firstFailedAtMs, ...letter }) => ({
      ...letter,
      failedAt: isoTime(failedAtMs),
      firstFailedAt: firstFailedAtMs === null ? null : isoTime(firstFailedAtMs),
      source,
      queue: record.place,
      status: statusOf(failedAtMs, states.get(letter.id)),
      state: states.get(letter.id) ?? null,
      key: bytesJson(record.key),
      value: bytesJson(record.value),
      headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, headerJson(value)])),
    })),
  });
}

/** JSON with two spaces, other text as it is, anything else in hexadecimal; nothing that moves a terminal's cursor. */
function shownBytes(value: Uint8Array): string {
  if (!isUtf8(value)) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    const more = bytes.length > hexBytesMax ? ` ... ${bytes.length} bytes` : '';
    return bytes.subarray(0, hexBytesMax).toString('hex').replace(/../g, '$& ').trimEnd() + more;
  }
  const plain = pretty(Buffer.from(value).toString('utf8'));
  const shown =
    plain.length <= valueCharactersMax ? plain : `${plain.slice(0, valueCharactersMax)} ... ${value.length} bytes`;
  return stripControls(shown);
}

/** The text itself where parsing would change it: JavaScript's numbers round what has more than 15 digits. */
function pretty(plain: string): string {
  if (/\d{16}|\d\.\d{15}/.test(plain)) return plain;
  try {
    return JSON.stringify(JSON.parse(plain), null, 2);
  } catch {
    return plain;
  }
}

const shownHeader = (value: HeaderValue): string =>
  value === undefined
    ? 'null'
    : isList(value)
      ? value.map(shownHeader).join(', ')
      : typeof value === 'string'
        ? value
        : shownBytes(value);

function bytesJson(value: Uint8Array | null): string | { base64: string } | null {
  if (value === null) return null;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return isUtf8(bytes) ? bytes.toString('utf8') : { base64: bytes.toString('base64') };
}

const headerJson = (value: HeaderValue): unknown =>
  value === undefined
    ? null
    : isList(value)
      ? value.map(headerJson)
      : typeof value === 'string'
        ? value
        : bytesJson(value);

const timeMax = 8.64e15;
const isoTime = (ms: number): string => (Math.abs(ms) <= timeMax ? new Date(ms).toISOString() : `${ms} ms`);

/** JSON escapes only the first 32 control characters; a terminal obeys more. */
const json = (value: unknown): string =>
  JSON.stringify(value, null, 2).replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  ) + '\n';
const indented = (value: string): string => value.replace(/^/gm, '  ');
