/** Bytes of keys and values that a test writes as the pipeline is to see them. */
import { encodeJson } from '../codecs/json.ts';
import { isMapping } from '../definition/json-schema.ts';
import type { SourceUse } from '../definition/pipeline.ts';

export interface RecordEncoder {
  /** Null for null: a tombstone. */
  value(value: unknown): Uint8Array | null;
  key(key: unknown): Uint8Array | null;
}

/** Encodes what the codecs of a source decode. */
export function recordEncoder({ options }: SourceUse): RecordEncoder {
  const { format, path, delimiter, columns, key_format } = options as SourceOptions;
  const paths = typeof path === 'string' ? [path] : (path ?? []);
  const isCsv = format === 'csv' || (format === undefined && paths.some((name) => /\.[ct]sv$/.test(name)));
  const separator = delimiter ?? (paths.every((name) => name.endsWith('.tsv')) ? '\t' : ',');
  return {
    value: (value) => {
      if (value === null) return null;
      return Buffer.from(isCsv && isMapping(value) ? csvRecord(value, columns, separator) : encodeJson(value));
    },
    key: (key) => {
      if (key === null) return null;
      return Buffer.from(typeof key === 'string' && key_format !== 'json' ? key : encodeJson(key));
    },
  };
}

interface SourceOptions {
  readonly format?: string;
  readonly path?: string | readonly string[];
  readonly delimiter?: string;
  readonly columns?: readonly string[];
  readonly key_format?: string;
}

/** A row; without known columns the header comes before it, as the file source delivers it. */
function csvRecord(
  value: Readonly<Record<string, unknown>>,
  columns: readonly string[] | undefined,
  separator: string,
): string {
  const line = (fields: readonly unknown[]) => fields.map((field) => csvField(field, separator)).join(separator);
  if (columns !== undefined) return line(columns.map((column) => value[column] ?? ''));
  return `${line(Object.keys(value))}\n${line(Object.values(value))}`;
}

function csvField(field: unknown, separator: string): string {
  const text = typeof field === 'string' ? field : field === null ? '' : encodeJson(field);
  return text.includes(separator) || /["\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
