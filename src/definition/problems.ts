/** What is wrong with a pipeline file, each problem with its place and the way out. */
import { hideSecrets } from '../declaration/secrets.ts';
import { type PipectlError, errorTable } from '../errors.ts';
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

/** More than anyone reads in one go; and a hostile file must not make more work. */
export const problemsMax = 100;

const isPrefix = (prefix: ValuePath, path: ValuePath): boolean => prefix.every((part, index) => part === path[index]);

// JSON, since a key may hold any character.
const pathKey = (path: ValuePath): string => JSON.stringify(path);

/** Collects problems of one pipeline: the pipeline file and, where there is one, the project file. */
export class ProblemList {
  readonly #pipeline: YamlSource;
  #project: YamlSource | null = null;
  #environment: string | null = null;
  #found = new Map<string, Problem>();
  readonly #ignored = new Set<string>();
  readonly #broken: ValuePath[] = [];
  readonly #secrets: string[] = [];
  readonly #replacements = new Map<string, readonly Replacement[]>();

  constructor(pipeline: YamlSource) {
    this.#pipeline = pipeline;
  }

  /**
   * For problems of the project file itself. From here on values that the pipeline has from it, or from one of its
   * environments, are looked up in it.
   */
  inProject(project: YamlSource, environment: string | null = null): ProblemList {
    this.#project = project;
    this.#environment = environment;
    const list = new ProblemList(project);
    list.#found = this.#found;
    return list;
  }

  /**
   * Adds a problem with the value at `path`. Only the first problem of a place is kept, and none of a value that is not
   * known (an unset variable under `validate`) or whose problem lies in the YAML itself.
   */
  at(path: ValuePath, code: string, message: string, options: ProblemOptions = {}): void {
    if (this.isFull) return;
    // The key of a value that is not known is known all the same.
    const isExempt = options.on === 'key' && !this.#broken.some((broken) => isPrefix(broken, path));
    if (this.isIgnored(isExempt ? path.slice(0, -1) : path)) return;
    const replacements = this.#replacements.get(pathKey(path));
    const span = options.span && replacements ? beforeReplacing(options.span, replacements) : options.span;
    const { source, at } = this.#placeOf(path);
    const range = source.locate(at, options.on ?? 'value', span);
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
    if (this.isFull) return;
    // Of several keys that are missing in one place, each is worth a word.
    const about = code === 'key_missing' ? message : '';
    const place = `${source.file}\n${range.start}:${range.end}\n${about}`;
    const severity = options.severity ?? 'error';
    const former = this.#found.get(place);
    if (former && (former.severity === 'error' || severity === 'warning')) return;
    const start = source.position(range.start);
    const end = source.position(Math.max(range.start, range.end));
    this.#found.set(place, {
      code,
      severity,
      message,
      hint: options.hint ?? null,
      file: source.file,
      line: start.line,
      column: start.column,
      endLine: end.line,
      endColumn: end.column,
      path: options.path ?? '',
      sourceLine: source.line(start.line),
    });
  }

  /** The value at `path` is not known: nothing more is said about it or what lies below it. */
  ignore(path: ValuePath): void {
    this.#ignored.add(pathKey(path));
  }

  /** Like `ignore`, for a value that YAML has misread: what holds it can't be used. */
  ignoreBroken(path: ValuePath): void {
    this.#broken.push(path);
    this.ignore(path);
  }

  isIgnored(path: ValuePath): boolean {
    if (this.#ignored.size === 0) return false;
    for (let length = path.length; length >= 0; length--)
      if (this.#ignored.has(pathKey(path.slice(0, length)))) return true;
    return false;
  }

  /** Remembers how a scalar was interpolated, so that a span inside its result finds its place in the file. */
  replaced(path: ValuePath, replacements: readonly Replacement[]): void {
    this.#replacements.set(pathKey(path), replacements);
  }

  /** Errors of the value at `path` or of anything below it. */
  hasErrorsBelow(path: ValuePath): boolean {
    const above = pathText(path);
    const isBelow = (text: string) => text === above || text.startsWith(`${above}.`) || text.startsWith(`${above}[`);
    const isBroken = this.#broken.some((broken) => isPrefix(path, broken) || isPrefix(broken, path));
    return isBroken || this.#found.values().some((problem) => problem.severity === 'error' && isBelow(problem.path));
  }

  /** Nothing more is taken: the file has to be mended first. */
  get isFull(): boolean {
    return this.#found.size >= problemsMax;
  }

  get hasErrors(): boolean {
    return this.#found.values().some((problem) => problem.severity === 'error');
  }

  /** Blots these out wherever a problem would show them. */
  hide(secrets: Iterable<string>): void {
    this.#secrets.push(...secrets);
  }

  #blot(text: string): string {
    // As long as before, so that carets and columns still fit.
    return hideSecrets(text, this.#secrets, (secret) => '*'.repeat(secret.length));
  }

  /** In the order of the file; problems of the project file come last. */
  sorted(): readonly Problem[] {
    const first = this.#pipeline.file;
    const table: Readonly<Record<string, { readonly hint: string }>> = errorTable;
    const shown = this.#found.values().map((problem) => ({
      ...problem,
      // What is said of every literal secret holds none, but a secret may well be the word "secret".
      message: problem.code === 'secret_literal' ? problem.message : this.#blot(problem.message),
      hint: problem.hint === null ? (table[problem.code]?.hint ?? null) : this.#blot(problem.hint),
      path: this.#blot(problem.path),
      sourceLine: this.#blot(problem.sourceLine),
    }));
    return [...shown].sort(
      (a, b) => Number(a.file !== first) - Number(b.file !== first) || a.line - b.line || a.column - b.column,
    );
  }

  /** The file a value of the pipeline stands in, and where: what a project gives it has another place there. */
  #placeOf(path: ValuePath): { readonly source: YamlSource; readonly at: ValuePath } {
    const own = { source: this.#pipeline, at: path };
    const project = this.#project;
    if (project === null) return own;
    const isShared = path[0] === 'connections' || path[0] === 'vars' || path[0] === 'lookups';
    const entry = isShared ? path.slice(0, 2) : path;
    const inProject = (...above: readonly string[]) =>
      project.has([...above, ...entry]) ? { source: project, at: [...above, ...path] } : null;
    const ofEnvironment = isShared && this.#environment !== null ? inProject('environments', this.#environment) : null;
    if (ofEnvironment !== null) return ofEnvironment;
    if (this.#pipeline.has(entry)) return own;
    return (isShared || path[0] === 'environments' ? inProject() : inProject('defaults')) ?? own;
  }
}

/** One file that can't be read, or whose project lacks the environment, says nothing of the others. */
export function problemOfFile(file: string, { code, message, hint }: PipectlError): Problem {
  const start = { line: 1, column: 1, endLine: 1, endColumn: 1 };
  return { code, severity: 'error', message, hint: hint ?? null, file, ...start, path: '', sourceLine: '' };
}

/** With `strict`, warnings count as errors. */
export function weighed(problems: readonly Problem[], strict: boolean): readonly Problem[] {
  return strict ? problems.map((problem) => ({ ...problem, severity: 'error' })) : problems;
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
