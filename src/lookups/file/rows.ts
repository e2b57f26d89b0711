/** The rows of a file by key. */
import { csvCodec, csvColumns, csvRecordEnd, trimmedEnd } from '../../codecs/csv.ts';
import { decodeJson } from '../../codecs/json.ts';
import { PipectlError } from '../../errors.ts';
import { lookupKey } from '../../declaration/lookup-key.ts';

export type Row = Readonly<Record<string, unknown>>;

export interface RowFormat {
  readonly format: 'csv' | 'json' | 'ndjson';
  /** Of CSV. */
  readonly delimiter: string;
  /** The field that holds the key. */
  readonly key: string;
}

export interface Rows {
  readonly rows: ReadonlyMap<string, Row>;
  /** Lines (rows of a JSON list) whose key stands in a later one too. */
  readonly repeated: readonly number[];
}

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

/** Reads a whole file. Throws `PipectlError` with file, line and what is wrong: a table with holes is no table. */
export function readRows(file: Buffer, path: string, format: RowFormat): Rows {
  const bytes = file.subarray(0, 3).equals(byteOrderMark) ? file.subarray(3) : file;
  const rows = new Map<string, Row>();
  const places = new Map<string, number>();
  const repeated: number[] = [];
  for (const { line, read } of recordsOf(bytes, format)) {
    const wrong = (what: string, cause?: unknown) =>
      new PipectlError('lookup_invalid', `${path}:${line}  ${what}`, { cause, hint: 'mend the file, or `key`' });
    let row: unknown;
    try {
      row = read();
    } catch (error) {
      throw wrong((error as Error).message, error);
    }
    if (typeof row !== 'object' || row === null || Array.isArray(row)) throw wrong('a row must be an object');
    const value = (row as Row)[format.key];
    const key = lookupKey(value);
    if (key === null)
      throw wrong(value === undefined ? `the row has no ${format.key}` : `${format.key} can't be a key`);
    const former = places.get(key);
    if (former !== undefined) repeated.push(former);
    places.set(key, line);
    rows.set(key, row as Row);
  }
  return { rows, repeated };
}

interface FileRecord {
  readonly line: number;
  readonly read: () => unknown;
}

function* recordsOf(bytes: Buffer, { format, delimiter }: RowFormat): Generator<FileRecord> {
  if (format === 'json') {
    yield* listOf(bytes);
    return;
  }
  const separator = delimiter.charCodeAt(0);
  let codec: ReturnType<typeof csvCodec> | null = null;
  let line = 1;
  for (let at = 0; at < bytes.length;) {
    const found = format === 'csv' ? csvRecordEnd(bytes, at, separator) : bytes.indexOf(0x0a, at);
    const end = typeof found === 'string' || found === -1 ? bytes.length : found;
    const record = bytes.subarray(at, trimmedEnd(bytes, at, end));
    if (record.length > 0) {
      if (format === 'ndjson') yield { line, read: () => decodeJson(record) };
      else if (codec === null) {
        const columns = csvColumns(record.toString('utf8'), delimiter);
        codec = csvCodec({ delimiter, columns });
      } else {
        const { decode } = codec;
        yield { line, read: () => decode(record) };
      }
    }
    for (let next = bytes.indexOf(0x0a, at); next !== -1 && next <= end; next = bytes.indexOf(0x0a, next + 1)) line++;
    at = end + 1;
  }
}

function* listOf(bytes: Buffer): Generator<FileRecord> {
  let list: unknown;
  try {
    list = decodeJson(bytes);
  } catch (error) {
    yield {
      line: 1,
      read() {
        throw error;
      },
    };
    return;
  }
  if (!Array.isArray(list)) yield { line: 1, read: () => null };
  else for (const [index, row] of list.entries()) yield { line: index + 1, read: () => row as unknown };
}
