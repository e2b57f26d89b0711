/** `dlq replay --set path=value`: a copy of the record with another value in one place. */
import { parseDocument } from 'yaml';
import { decodeJson, encodeJson } from '../../codecs/json.ts';
import type { RawRecord } from '../../engine/ports.ts';

export interface Edit {
  /** `customer.id`, `items[0].qty`, below the event. */
  readonly path: readonly (string | number)[];
  readonly value: unknown;
  /** As it was given. */
  readonly text: string;
}

/** Reads `path=value`, the value as YAML; undefined where it has another form. */
export function parseEdit(text: string): Edit | undefined {
  const equals = text.indexOf('=');
  const path = equals < 1 ? null : parsePath(text.slice(0, equals).trim());
  const document = parseDocument(text.slice(equals + 1), { prettyErrors: false, stringKeys: true, logLevel: 'silent' });
  if (path === null || document.errors.length > 0) return undefined;
  return { path, value: document.toJS({ maxAliasCount: 0 }) as unknown, text };
}

function parsePath(text: string): readonly (string | number)[] | null {
  const path: (string | number)[] = [];
  const part = /(?:^|\.)([^.[\]]+)|\[(\d+)\]/y;
  while (part.lastIndex < text.length) {
    const match = part.exec(text);
    if (!match || match[1] === '__proto__') return null;
    path.push(match[1] ?? Number(match[2]));
  }
  return path.length > 0 ? path : null;
}

/** The record with other values; a text that says why it can't be edited. */
export function edited(raw: RawRecord, edits: readonly Edit[]): RawRecord | string {
  let event: unknown;
  try {
    event = raw.value === null ? null : decodeJson(raw.value);
  } catch {
    return 'its value is no JSON, so --set has no place in it';
  }
  for (const { path, value, text } of edits)
    if (!put(event, path, value)) return `--set ${text} has no place in its value`;
  return { ...raw, value: Buffer.from(encodeJson(event)) };
}

function put(event: unknown, path: readonly (string | number)[], value: unknown): boolean {
  let parent = event;
  for (const [i, part] of path.entries()) {
    if (typeof parent !== 'object' || parent === null) return false;
    const fits = Array.isArray(parent) ? typeof part === 'number' && part < parent.length : typeof part === 'string';
    if (!fits) return false;
    const fields = parent as Record<string | number, unknown>;
    if (i === path.length - 1) fields[part] = value;
    else parent = Object.hasOwn(fields, part) ? fields[part] : (fields[part] = {});
  }
  return true;
}
