/**
 * Comma-separated values as RFC 4180 has them: a field that begins with a quote ends with the next lone quote, doubled
 * quotes stand for one, and line breaks inside it belong to it. A quote elsewhere in a field is a mistake.
 */
import { isUtf8 } from 'node:buffer';
import type { Codec } from '../engine/ports.ts';
import { PipectlError } from '../errors.ts';

const quote = 0x22;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** Names that would not become an own property of the event. */
const reservedColumns = new Set(['__proto__']);

/** Index of the line feed that ends the record at `from`, `incomplete` when it lies beyond `bytes`, or `malformed`. */
export function csvRecordEnd(bytes: Buffer, from: number, delimiter: number): number | 'incomplete' | 'malformed' {
  let fieldStart = true;
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === lineFeed) return at;
    if (byte !== quote || !fieldStart) {
      fieldStart = byte === delimiter;
      continue;
    }
    for (;;) {
      at = bytes.indexOf(quote, at + 1);
      if (at === -1 || at + 1 >= bytes.length) return 'incomplete';
      if (bytes[at + 1] !== quote) break;
      at++;
    }
    // `at` is the closing quote: only the end of the field may follow.
    const next = bytes[at + 1];
    if (next !== delimiter && next !== lineFeed && next !== carriageReturn) return 'malformed';
    fieldStart = false;
  }
  return 'incomplete';
}

/** Fields of one record without its line break. Throws `csv_malformed`. */
export function splitCsvRecord(text: string, delimiter: string): string[] {
  if (!text.includes('"')) return text.split(delimiter);
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (text[at] === '"') {
      const [field, next] = quotedField(text, at);
      fields.push(field);
      at = next;
      if (at < text.length && text[at] !== delimiter) {
        throw malformed(`field ${fields.length} goes on after its closing quote`);
      }
    } else {
      const found = text.indexOf(delimiter, at);
      const end = found === -1 ? text.length : found;
      const field = text.slice(at, end);
      if (field.includes('"')) throw malformed(`field ${fields.length + 1} has a quote but does not begin with one`);
      fields.push(field);
      at = end;
    }
    if (at >= text.length) return fields;
    at++;
  }
}

function quotedField(text: string, open: number): [field: string, next: number] {
  let at = open;
  do {
    at = text.indexOf('"', at + 1);
    if (at === -1) throw malformed('a quoted field is not closed');
  } while (text[at + 1] === '"' && at++ >= 0);
  return [text.slice(open + 1, at).replaceAll('""', '"'), at + 1];
}

/** Names of the columns in a header record. Throws `csv_header` where they can't name the fields of an event. */
export function csvColumns(header: string, delimiter: string): readonly string[] {
  const columns = splitCsvRecord(header, delimiter);
  const seen = new Set<string>();
  for (const [index, column] of columns.entries()) {
    if (column === '') throw new PipectlError('csv_header', `column ${index + 1} of the header has no name`);
    if (seen.has(column) || reservedColumns.has(column)) {
      throw new PipectlError(
        'csv_header',
        `the header names ${JSON.stringify(column)} ${seen.has(column) ? 'twice' : ', a reserved word'}`,
      );
    }
    seen.add(column);
  }
  return columns;
}

/**
 * Decodes one record into an object of texts; an empty field is `''`. Without `columns` the bytes are two records, the
 * header and the row, so that each value is readable by itself, in a dead letter too. Throws `csv_malformed`,
 * `csv_columns` (another number of fields than columns) or `invalid_utf8`.
 */
export function csvCodec(options: {
  readonly delimiter: string;
  readonly columns?: readonly string[] | undefined;
}): Codec {
  const { delimiter } = options;
  const delimiterByte = delimiter.charCodeAt(0);
  let columns = options.columns ?? [];
  let header: Buffer = Buffer.alloc(0);

  return {
    decode(value) {
      const bytes = Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      let rowStart = 0;
      if (options.columns === undefined) {
        const known =
          header.length > 0 &&
          bytes.length >= header.length &&
          bytes.compare(header, 0, header.length, 0, header.length) === 0;
        if (!known) {
          const end = csvRecordEnd(bytes, 0, delimiterByte);
          if (typeof end === 'string') throw malformed('the record has no readable header line');
          columns = csvColumns(utf8(bytes, 0, trimmedEnd(bytes, 0, end)), delimiter);
          header = Buffer.from(bytes.subarray(0, end + 1));
        }
        rowStart = header.length;
      }
      const fields = splitCsvRecord(utf8(bytes, rowStart, bytes.length), delimiter);
      if (fields.length !== columns.length) {
        throw new PipectlError(
          'csv_columns',
          `the row has ${fields.length} fields, ${columns.length} columns are named`,
        );
      }
      const event: Record<string, string> = {};
      for (let index = 0; index < fields.length; index++) event[columns[index]!] = fields[index]!;
      return event;
    },
  };
}

/** `end` without the carriage return before it. */
export function trimmedEnd(bytes: Buffer, start: number, end: number): number {
  return end > start && bytes[end - 1] === carriageReturn ? end - 1 : end;
}

function utf8(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('utf8', start, end);
  if (text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end)))
    throw new PipectlError('invalid_utf8', 'the row is not valid UTF-8');
  return text;
}

const malformed = (what: string) => new PipectlError('csv_malformed', `not readable as CSV: ${what}`);
