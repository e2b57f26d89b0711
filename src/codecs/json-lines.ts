import type { EventRecord, Rejection } from '../engine/ports.ts';
import { encodeJson } from './json.ts';

export interface EncodedLines {
  /** One JSON text a line, each with its line feed. */
  readonly text: string;
  readonly rows: number;
  /** Events JSON has no form for. */
  readonly rejected: readonly Rejection[];
}

/** Writes events as NDJSON. An event that can't be written costs no other. */
export function encodeJsonLines(records: readonly EventRecord[]): EncodedLines {
  const rejected: Rejection[] = [];
  let text = '';
  for (const record of records) {
    try {
      text += encodeJson(record.event) + '\n';
    } catch (error) {
      rejected.push({
        record,
        code: 'row_not_encodable',
        message: `the event has no form in JSON: ${(error as Error).message}`,
      });
    }
  }
  return { text, rows: records.length - rejected.length, rejected };
}
