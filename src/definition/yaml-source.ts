/** A YAML file with the place of every value. */
import { isAlias, isMap, isPair, isScalar, isSeq, type Document, type Node, type Pair, type Scalar } from 'yaml';
import type { ValuePath } from './pipeline.ts';
import { sourceOffset } from './scalar-offset.ts';

export interface TextRange {
  readonly start: number;
  readonly end: number;
}

interface Found {
  readonly key: Node | null;
  readonly value: Node | null;
}

export class YamlSource {
  /** As given on the command line. */
  readonly file: string;
  readonly text: string;
  readonly #document: Document;
  readonly #lineStarts: number[] = [0];

  constructor(file: string, text: string, document: Document) {
    this.file = file;
    this.text = text;
    this.#document = document;
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) this.#lineStarts.push(at + 1);
  }

  /** Line and column of an offset, both from 1. */
  position(offset: number): { readonly line: number; readonly column: number } {
    const starts = this.#lineStarts;
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (starts[low] as number) + 1 };
  }

  /** Offset of the first character of a line. */
  start(line: number): number {
    return this.#lineStarts[line - 1] ?? this.text.length;
  }

  /** The text of a line, without its end. */
  line(number: number): string {
    const start = this.#lineStarts[number - 1] ?? this.text.length;
    const end = this.#lineStarts[number] ?? this.text.length + 1;
    return this.text.slice(start, end - 1).replace(/\r$/, '');
  }

  has(path: ValuePath): boolean {
    return this.#find(path) !== null;
  }

  /** The scalar at `path`, as it is written. */
  scalar(path: ValuePath): Scalar | null {
    const value = this.#find(path)?.value;
    return value && isScalar(value) ? value : null;
  }

  /**
   * Where a value or its key stands. A path that does not exist gives the nearest key above it, and a block of several
   * lines its key too, since its own start is only the start of its first child. Underlines stay within one line.
   */
  locate(path: ValuePath, on: 'key' | 'value', span?: TextRange): TextRange {
    for (let length = path.length; length > 0; length--) {
      const found = this.#find(path.slice(0, length));
      if (found === null) continue;
      const { key, value } = found;
      const exact = length === path.length;
      if (exact && span && value && isScalar(value)) return this.#inside(value, span);
      const pointAtKey = key && (!exact || on === 'key' || !this.#isPointable(value));
      const node = pointAtKey ? key : value;
      if (node) return this.#oneLine(node);
    }
    const root = this.#document.contents;
    return root?.range ? { start: root.range[0], end: root.range[0] } : { start: 0, end: 0 };
  }

  /** The path of the innermost value around an offset, for errors that YAML reports by offset. */
  pathAt(offset: number): ValuePath {
    const path: (string | number)[] = [];
    let node: unknown = this.#document.contents;
    descend: for (;;) {
      if (isMap(node)) {
        for (const pair of node.items) {
          const start = rangeOf(pair.key)?.[0];
          const end = rangeOf(pair.value)?.[2] ?? rangeOf(pair.key)?.[2];
          if (start === undefined || end === undefined || offset < start || offset >= end) continue;
          path.push(String((pair.key as Scalar).value));
          node = pair.value;
          continue descend;
        }
      } else if (isSeq(node)) {
        for (const [index, item] of node.items.entries()) {
          const range = rangeOf(item);
          if (!range || offset < range[0] || offset >= range[2]) continue;
          path.push(index);
          node = item;
          continue descend;
        }
      }
      return path;
    }
  }

  #find(path: ValuePath): Found | null {
    let found: Found = { key: null, value: this.#document.contents };
    for (const part of path) {
      const parent = this.#resolved(found.value);
      if (isMap(parent)) {
        const pair = parent.items.find((item: Pair) => isScalar(item.key) && String(item.key.value) === String(part));
        if (!pair) return null;
        found = { key: pair.key as Node, value: pair.value as Node | null };
      } else if (isSeq(parent) && typeof part === 'number') {
        const item = parent.items[part];
        if (item === undefined || isPair(item)) return null;
        found = { key: null, value: item as Node };
      } else return null;
    }
    return found;
  }

  #resolved(node: Node | null): Node | null {
    return isAlias(node) ? (node.resolve(this.#document) ?? null) : node;
  }

  #isPointable(value: Node | null): boolean {
    if (!value?.range || value.range[0] === value.range[1]) return false;
    if (isMap(value) || isSeq(value)) return value.flow === true;
    return true;
  }

  #oneLine(node: Node): TextRange {
    const [start, end] = node.range ?? [0, 0];
    const lineEnd = this.text.slice(start, end).search(/\s*\r?\n/);
    return { start, end: lineEnd === -1 ? end : start + lineEnd };
  }

  #inside(scalar: Scalar, span: TextRange): TextRange {
    const start = sourceOffset(this.text, scalar, span.start);
    const end = span.end > span.start ? sourceOffset(this.text, scalar, span.end - 1) + 1 : start;
    return { start, end: Math.max(start, end) };
  }
}

const rangeOf = (node: unknown): readonly [number, number, number] | undefined =>
  (node as Node | null)?.range ?? undefined;
