/**
 * Every error code a user can meet, with the way out. A code is stable: it stands in dead-letter headers, in JSON output
 * and in the docs (`docs/errors.md` is generated from this table). Keep the sections sorted.
 */
interface ErrorEntry {
  /** What it means, in one sentence. */
  readonly meaning: string;
  /** What to do next. */
  readonly hint: string;
}

export const errorTable = {
  // -- pipeline file ------------------------------------------------------------------------------------------------

  // -- expressions and steps ----------------------------------------------------------------------------------------

  // -- decoding -----------------------------------------------------------------------------------------------------
  csv_columns: {
    meaning: 'A CSV row has another number of fields than there are columns.',
    hint: 'look at the row with `pipectl dlq inspect`; is the delimiter right?',
  },
  csv_malformed: {
    meaning: 'A CSV row breaks the quoting rules of RFC 4180.',
    hint: 'look at the row with `pipectl dlq inspect`; a quote inside a field is written twice, in a quoted field',
  },
  line_too_long: {
    meaning: 'A line of a file is longer than 16 MiB.',
    hint: 'is it one JSON document instead of one value a line? `jq -c .[]` makes lines of an array',
  },
  text_not_utf8: { meaning: 'Text is not UTF-8.', hint: 'convert the file: iconv -f ISO-8859-1 -t UTF-8' },

  // -- sources ------------------------------------------------------------------------------------------------------
  csv_header: {
    meaning: 'The header line of a CSV file does not name its columns.',
    hint: 'give `columns: [...]`, or mend the header line',
  },
  file_changed: {
    meaning: 'A file was rewritten or cut after part of it had been read.',
    hint: 'write new data into a new file, or append to it',
  },
  file_format_mixed: {
    meaning: 'The files of one source differ in format.',
    hint: 'say `format: ndjson` or `format: csv`, or use one source per format',
  },
  file_not_found: { meaning: 'No file matches the path.', hint: 'paths start at the directory of the pipeline file' },
  file_unreadable: { meaning: 'A file could not be opened for reading.', hint: 'check that it exists and its rights' },
  option_not_applicable: {
    meaning: 'An option has no meaning together with another one.',
    hint: 'remove one of the two',
  },
  source_taken_over: {
    meaning: 'Another process reads the same files under the same pipeline name.',
    hint: 'stop one of the two, or give the pipelines different names',
  },

  // -- sinks --------------------------------------------------------------------------------------------------------
  output_closed: { meaning: 'The reader of standard output went away.', hint: 'nothing to do: `head` and pagers do this' },
  row_not_encodable: { meaning: 'An event can not be written as JSON.', hint: 'look at it with `pipectl dlq inspect`' },
  sink_file_foreign: {
    meaning: 'The file of a file sink holds data this pipeline did not write.',
    hint: 'move it away, or choose another path',
  },
  sink_file_lost: {
    meaning: 'The file of a file sink is shorter than what was committed to it.',
    hint: 'bring it back, or remove the .pipectl file beside it to begin anew',
  },
  sink_file_unwritable: { meaning: 'The file of a file sink could not be opened.', hint: 'check the directory and its rights' },

  // -- running ------------------------------------------------------------------------------------------------------
} as const satisfies Record<string, ErrorEntry>;

/** Process exit codes: the contract with scripts and supervisors. */
export const exitCodes = { done: 0, failed: 1, usage: 2, unreachable: 3, deadLetters: 4 } as const;

/** A failure a user can do something about: printed as one sentence with its hint, never with a stack. */
export class PipectlError extends Error {
  override name = 'PipectlError';
  readonly code: string;
  readonly hint: string | undefined;
  readonly exitCode: number;

  constructor(code: string, message: string, options: ErrorOptions & { hint?: string; exitCode?: number } = {}) {
    super(message, options);
    this.code = code;
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? exitCodes.failed;
  }
}
