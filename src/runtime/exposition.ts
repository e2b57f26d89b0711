/**
 * The text that Prometheus reads, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
 */
export type MetricType = 'counter' | 'gauge' | 'histogram';

/** Every metric by its name; what is not in here can't be written. */
export type MetricTable = Readonly<Record<string, { readonly type: MetricType; readonly help: string }>>;

export type Labels = Readonly<Record<string, string | number>>;

/** Content type of `text()`. */
export const expositionType = 'text/plain; version=0.0.4; charset=utf-8';

/** Gathers samples, in any order, and writes them metric by metric. */
export class Exposition<T extends MetricTable> {
  readonly #table: T;
  /** On every sample. */
  readonly #common: Labels;
  readonly #samples: Map<string, string[]>;

  constructor(table: T, common: Labels, samples = new Map<string, string[]>()) {
    this.#table = table;
    this.#common = common;
    this.#samples = samples;
  }

  /** Adds to the same text, with more labels on every sample. */
  with(labels: Labels): Exposition<T> {
    return new Exposition(this.#table, { ...this.#common, ...labels }, this.#samples);
  }

  /** A value that is not known (null) is no sample. */
  add(name: keyof T & string, labels: Labels, value: number | null): void {
    if (value === null) return;
    this.#line(name, name, labels, value);
  }

  /** `below[i]` durations lie below `bounds[i]`; both in ascending order. Seconds. */
  histogram(name: keyof T & string, labels: Labels, { bounds, below, count, sum }: HistogramSample): void {
    for (const [i, bound] of bounds.entries()) this.#line(name, `${name}_bucket`, { ...labels, le: bound }, below[i]!);
    this.#line(name, `${name}_bucket`, { ...labels, le: '+Inf' }, count);
    this.#line(name, `${name}_sum`, labels, sum);
    this.#line(name, `${name}_count`, labels, count);
  }

  text(): string {
    const families = Object.entries(this.#table).flatMap(([name, { type, help }]) => {
      const lines = this.#samples.get(name);
      return lines === undefined ? [] : [`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`, ...lines];
    });
    return `${families.join('\n')}\n`;
  }

  #line(family: string, name: string, labels: Labels, value: number): void {
    const lines = this.#samples.get(family) ?? [];
    this.#samples.set(family, lines);
    const pairs = Object.entries({ ...this.#common, ...labels }).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
    lines.push(`${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${numberText(value)}`);
  }
}

export interface HistogramSample {
  readonly bounds: readonly number[];
  readonly below: readonly number[];
  readonly count: number;
  readonly sum: number;
}

const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');

const escapeLabel = (text: string | number): string => escapeHelp(String(text)).replaceAll('"', '\\"');

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}
