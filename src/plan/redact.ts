/** `dlq.redact`: fields that must not lie in a dead-letter queue. */
import { decodeJson, encodeJson } from '../codecs/json.ts';
import { hideSecrets } from '../declaration/secrets.ts';
import type { LetterForm } from '../definition/letter-form.ts';
import type { DeadLetter, RawRecord } from '../engine/ports.ts';

export interface Redacted {
  readonly letter: DeadLetter;
  /** `redacted`: fields of its value are blotted out. `omitted`: it can't be read, so it is left out. Null: it is whole. */
  readonly redaction: 'redacted' | 'omitted' | null;
}

const blot = '***';

/** The letter as it may be stored and shown: without these fields in its value, and without their values in its message. */
export function redactedLetter(letter: DeadLetter, { redact }: Pick<LetterForm, 'redact'>): Redacted {
  const { raw, message } = letter;
  if (redact.length === 0 || raw.value === null) return { letter, redaction: null };
  let event: unknown;
  try {
    event = decodeJson(raw.value);
  } catch {
    // What the reader says of it holds nothing of the value.
    return { letter: { ...letter, raw: withValue(raw, null) }, redaction: 'omitted' };
  }
  const removed: unknown[] = [];
  for (const path of redact) event = without(event, path, removed);
  if (removed.length === 0) return { letter, redaction: null };
  const hidden = hideSecrets(message, removed.flatMap(textsIn), () => blot);
  const value = Buffer.from(encodeJson(event));
  return { letter: { ...letter, message: hidden, raw: withValue(raw, value) }, redaction: 'redacted' };
}

/** Name by name: a record may compute what it is asked for, which a spread leaves out. */
const withValue = ({ offset, timestampMs, key, headers }: RawRecord, value: Buffer | null): RawRecord => ({
  offset,
  timestampMs,
  key,
  value,
  headers,
});

/** Blots out what is at `path`, in every element where it leads into a list. The event is one's own. */
function without(value: unknown, path: readonly string[], removed: unknown[]): unknown {
  const [name, ...below] = path;
  if (name === undefined) {
    removed.push(value);
    return blot;
  }
  if (Array.isArray(value)) return value.map((item: unknown) => without(item, path, removed));
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return value;
  const fields = value as Record<string, unknown>;
  fields[name] = without(fields[name], below, removed);
  return value;
}

/** All texts and numbers in a value, as a message may quote them. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value, value.trim()];
  if (typeof value === 'number' || typeof value === 'bigint') return [String(value)];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(textsIn);
}
