/** What is wrong with a pipeline file, each problem with its place and the way out. */
import { errorTable } from '../errors.ts';
import type { ValuePath } from './pipeline.ts';
import type { YamlSource } from './yaml-source.ts';

export interface Problem {
  /** A code of `errors.ts`. */
  readonly code: string;
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly hint: string | null;
  readonly file: string;
  /** From 1. Columns count UTF-16 code units. The end is exclusive. */
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
  /** `sinks[0].postgres.table`; empty for the file itself. */
  readonly path: string;
  /** The line of the file it starts on. */
  readonly sourceLine: string;
}

export interface ProblemOptions {
  readonly hint?: string;
  readonly severity?: 'error' | 'warning';
  /** Point at the key or at the value (default). A value that is not there is pointed at by the nearest key above it. */
  readonly on?: 'key' | 'value';
  /** Offsets inside the text of the scalar, as the program sees it (unquoted, interpolated). */
  readonly span?: { readonly start: number; readonly end: number };
}

/** A stretch of an interpolated text and where it stood before: the replaced ones, in order. */
export interface Replacement {
  readonly start: number;
  readonly end: number;
  readonly sourceStart: number;
  readonly sourceEnd: number;
}

/** `['sinks', 0, 'postgres']` as people write it: `sinks[0].postgres`. */
export function pathText(path: ValuePath): string {
  let text = '';
  for (const part of path) text += typeof part === 'number' ? `[${part}]` : text === '' ? part : `.${part}`;
  return text;
}

// JSON, since a key may hold any character.
const pathKey = (path: ValuePath): string => JSON.stringify(path);

/** Collects problems of one pipeline: the pipeline file and, where there is one, the project file. */
export class ProblemList {
  readonly #pipeline: YamlSource;
  #project: YamlSource | null = null;
  readonly #found = new Map<string, Problem>();
  readonly #ignored = new Set<string>();
  readonly #replacements = new Map<string, readonly Replacement[]>();

  constructor(pipeline: YamlSource) {
    this.#pipeline = pipeline;
  }

  /** From here on connections and vars that the pipeline file does not have are looked up in this file. */
  useProject(project: YamlSource): void {
    this.#project = project;
  }

  /**
   * Adds a problem with the value at `path`. Only the first problem of a place is kept, and none of a value that is not
   * known (an unset variable under `validate`) or whose problem lies in the YAML itself.
   */
  at(path: ValuePath, code: string, message: string, options: ProblemOptions = {}): void {
    if (this.isIgnored(path)) return;
    const replacements = this.#replacements.get(pathKey(path));
    const span = options.span && replacements ? beforeReplacing(options.span, replacements) : options.span;
    const source = this.#sourceOf(path);
    const range = source.locate(path, options.on ?? 'value', span);
    this.inSource(source, range, code, message, { ...options, path: pathText(path) });
  }

  /** Adds a problem with a stretch of a file's text, for what has no path. */
  inSource(
    source: YamlSource,
    range: { readonly start: number; readonly end: number },
    code: string,
    message: string,
    options: ProblemOptions & { readonly path?: string } = {},
  ): void {
    const place = `${source.file}\n${range.start}:${range.end}`;
    const severity = options.severity ?? 'error';
    const former = this.#found.get(place);
    if (former && (former.severity === 'error' || severity === 'warning')) return;
    const start = source.position(range.start);
    const end = source.position(Math.max(range.start, range.end));
    const entry: { readonly hint: string } | undefined = (errorTable as Record<string, { readonly hint: string }>)[code];
    this.#found.set(place, {
      code,
      severity,
      message,
      hint: options.hint ?? entry?.hint ?? null,
      file: source.file,
      line: start.line,
      column: start.column,
      endLine: end.line,
      endColumn: end.column,
      path: options.path ?? '',
      sourceLine: source.line(start.line),
    });
  }

  /** Nothing more is said about this value or what lies below it. */
  ignore(path: ValuePath): void {
    this.#ignored.add(pathKey(path));
  }

  isIgnored(path: ValuePath): boolean {
    if (this.#ignored.size === 0) return false;
    for (let length = path.length; length >= 0; length--) if (this.#ignored.has(pathKey(path.slice(0, length)))) return true;
    return false;
  }

  /** Remembers how a scalar was interpolated, so that a span inside its result finds its place in the file. */
  replaced(path: ValuePath, replacements: readonly Replacement[]): void {
    this.#replacements.set(pathKey(path), replacements);
  }

  get hasErrors(): boolean {
    return this.#found.values().some((problem) => problem.severity === 'error');
  }

  /** In the order of the file; problems of the project file come last. */
  sorted(): readonly Problem[] {
    const first = this.#pipeline.file;
    return [...this.#found.values()].sort(
      (a, b) => Number(a.file !== first) - Number(b.file !== first) || a.line - b.line || a.column - b.column,
    );
  }

  #sourceOf(path: ValuePath): YamlSource {
    const shared = path[0] === 'connections' || path[0] === 'vars';
    const entry = path.slice(0, 2);
    if (!shared || this.#project === null || this.#pipeline.has(entry) || !this.#project.has(entry)) return this.#pipeline;
    return this.#project;
  }
}

function beforeReplacing(span: { readonly start: number; readonly end: number }, replacements: readonly Replacement[]) {
  const back = (offset: number, edge: 'sourceStart' | 'sourceEnd'): number => {
    let shift = 0;
    for (const piece of replacements) {
      if (offset < piece.start || (edge === 'sourceEnd' && offset === piece.start)) break;
      if (offset < piece.end || (edge === 'sourceEnd' && offset === piece.end)) return piece[edge];
      shift = piece.sourceEnd - piece.end;
    }
    return offset + shift;
  };
  return { start: back(span.start, 'sourceStart'), end: back(span.end, 'sourceEnd') };
}
