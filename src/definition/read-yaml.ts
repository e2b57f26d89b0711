/** YAML 1.2 core schema in, plain values out; within limits, and with an answer to what people trip over. */
import {
  Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  parseDocument,
  Scalar,
  type Node,
  type Pair,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { cutByCommaMessage, flowValue, isCutOff, quoteHint } from './meant-value.ts';
import type { ValuePath } from './pipeline.ts';
import { type ProblemList, problemsMax } from './problems.ts';
import { YamlSource } from './yaml-source.ts';
import { type ExplainedError, explainYamlError } from './yaml-traps.ts';

/** A pipeline file is written by hand: what is larger is something else, or hostile. */
const textLengthMax = 128 * 1024;
const depthMax = 64;
const valuesMax = 10_000;

/** Errors in single values are blotted out one by one, each time with a new look at the text. */
const mendedMax = 20;
const mendedLengthMax = textLengthMax;

export interface ReadYaml {
  readonly source: YamlSource;
  readonly document: Document.Parsed | null;
  /** Errors that concern one value each, which the document holds a blot for. */
  readonly mended: readonly ExplainedError[];
}

/** Parses without judging. A text beyond the limit is not parsed at all. */
export function parseYaml(file: string, withMark: string): ReadYaml {
  // A byte order mark would shift the columns of the first line, and the parser does not know a carriage return alone.
  const text = withMark.replace(/^\u{feff}/u, '').replaceAll(/\r(?!\n)/g, '\n');
  const mended: ExplainedError[] = [];
  if (text.length > textLengthMax)
    return { source: new YamlSource(file, '', new Document(null)), document: null, mended };
  let readable = text;
  for (;;) {
    const document = parse(readable);
    const source = new YamlSource(file, text, document);
    const maxReached = mended.length >= mendedMax || mended.length * text.length > mendedLengthMax;
    const errors = maxReached ? [] : explainedErrors(document, source);
    const next = Iterator.from(errors).find(({ mend }) => mend !== undefined);
    if (next?.mend === undefined) return { source, document, mended };
    const { start, end } = next.mend;
    mended.push(next);
    // As long as before, so that everything keeps its place.
    readable = readable.slice(0, start) + '_'.repeat(end - start) + readable.slice(end);
  }
}

const parse = (text: string): Document.Parsed =>
  parseDocument(text, {
    version: '1.2',
    schema: 'core',
    prettyErrors: false,
    stringKeys: true,
    resolveKnownTags: false,
    // Compared by `PlainReader` with a set: the library compares each with each.
    uniqueKeys: false,
    logLevel: 'error',
  });

/** In the order of the file; one at a time, since as a rule the first is all that is looked at. */
function* explainedErrors(document: Document.Parsed, source: YamlSource): Generator<ExplainedError> {
  const errors = [...document.errors, ...document.warnings].toSorted((a, b) => a.pos[0] - b.pos[0]);
  for (const error of errors.slice(0, problemsMax)) yield explainYamlError(error, source, document.errors);
}

/**
 * The file's plain value, with every YAML problem told to `problems`. Undefined when its structure can't be trusted;
 * an error that concerns one value only leaves the rest readable, and that value is ignored from then on.
 */
export function plainYaml({ source, document, mended }: ReadYaml, problems: ProblemList): unknown {
  if (document === null) {
    problems.inSource(
      source,
      { start: 0, end: 0 },
      'yaml_limit',
      `the file is larger than ${textLengthMax / 1024} KiB`,
    );
    return undefined;
  }
  const tell = ({ range, code, message, hint }: ExplainedError) =>
    problems.inSource(source, range, code, message, hint === undefined ? {} : { hint });
  for (const error of mended) {
    tell(error);
    problems.ignoreBroken(source.pathAt(error.mend?.start ?? error.range.start));
  }
  for (const error of explainedErrors(document, source)) {
    tell(error);
    if (error.broken === null) return undefined;
    problems.ignoreBroken(error.broken);
  }
  const reader = new PlainReader(source, problems);
  const value = reader.value(document.contents, []);
  return reader.failed ? undefined : value;
}

class PlainReader {
  failed = false;
  readonly #source: YamlSource;
  readonly #problems: ProblemList;
  /** Seen so far: the library would look through the document for each alias. */
  readonly #anchors = new Map<string, Node>();
  readonly #openAliases = new Set<Node>();
  #values = 0;

  constructor(source: YamlSource, problems: ProblemList) {
    this.#source = source;
    this.#problems = problems;
  }

  value(node: unknown, path: ValuePath): unknown {
    if (this.failed) return null;
    if (isNode(node) && !isAlias(node) && node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    this.#values += 1;
    if (path.length > depthMax) return this.#fail(node, 'yaml_limit', `values are nested more than ${depthMax} deep`);
    if (this.#values > valuesMax)
      return this.#fail(node, 'yaml_limit', `the file holds more than ${valuesMax} values, aliases expanded`);
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source);
      if (!target)
        return this.#fail(node, 'yaml_alias', `*${node.source} refers to no anchor &${node.source} above it`);
      if (this.#openAliases.has(target)) return this.#fail(node, 'yaml_alias', `*${node.source} contains itself`);
      this.#openAliases.add(target);
      const value = this.value(target, path);
      this.#openAliases.delete(target);
      return value;
    }
    if (isMap(node)) return this.#map(node, path);
    if (isSeq(node)) return this.#list(node, path);
    return isScalar(node) ? node.value : null;
  }

  #map(map: YAMLMap, path: ValuePath): Record<string, unknown> {
    const value: Record<string, unknown> = {};
    const lines = new Map<string, number>();
    for (const pair of map.items as Pair<Scalar, Node | null>[]) {
      const key = String(pair.key.value);
      const range = { start: pair.key.range?.[0] ?? 0, end: pair.key.range?.[1] ?? 0 };
      const former = lines.get(key);
      if (former !== undefined) {
        this.#problems.inSource(
          this.#source,
          range,
          'yaml_duplicate_key',
          `"${key}" is given twice, first on line ${former}`,
        );
        continue;
      }
      if (key === '__proto__' || key === '<<') {
        const message = key === '<<' ? 'merge keys (<<) are not part of YAML 1.2' : `"${key}" is not accepted as a key`;
        const hint = key === '<<' ? 'write the keys out; an alias (*name) can stand for a whole value' : 'rename it';
        this.#problems.inSource(this.#source, range, 'yaml_key', message, { hint });
        if (path.length > 0) this.#problems.ignoreBroken(path);
        continue;
      }
      lines.set(key, this.#source.position(range.start).line);
      value[key] = this.value(pair.value, [...path, key]);
      if (map.flow && this.#isCutByComma(pair.value)) this.#problems.ignoreBroken(path);
    }
    return value;
  }

  #list(list: YAMLSeq, path: ValuePath): unknown[] {
    return list.items.map((item, index) => {
      if (list.flow && this.#isCutByComma(item)) this.#problems.ignoreBroken(path);
      return this.value(item, [...path, index]);
    });
  }

  /** `{ a: f(x, y) }`: YAML ends the value at the comma, and `y)` becomes a second key. */
  #isCutByComma(node: unknown): boolean {
    if (!isScalar(node) || node.type !== Scalar.PLAIN || !node.range || !isCutOff(String(node.source))) return false;
    const [start, end] = node.range;
    const comma = this.#source.text.indexOf(',', end);
    if (comma === -1 || this.#source.text.slice(end, comma).trim() !== '') return false;
    this.#problems.inSource(this.#source, { start, end: comma + 1 }, 'expression_needs_quotes', cutByCommaMessage, {
      hint: quoteHint(flowValue(this.#source, start)),
    });
    return true;
  }

  #fail(node: unknown, code: string, message: string): null {
    this.failed = true;
    const [start, end] = (node as Node | null)?.range ?? [0, 0];
    this.#problems.inSource(this.#source, { start, end: Math.min(end, start + 40) }, code, message);
    return null;
  }
}
