/** Reads the text format of Prometheus strictly: what a scraper would refuse, or read as something else, throws. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly samples: readonly Sample[];
}

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const labelName = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const types = ['counter', 'gauge', 'histogram'];

export function parsePrometheus(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, { name: string; type: string; samples: Sample[] }>();
  let current: { name: string; type: string; samples: Sample[] } | undefined;
  let helped = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (comment !== null) {
      const [, kind, name, rest] = comment as unknown as [string, string, string, string];
      if (!metricName.test(name)) throw new Error(`${name} is no name`);
      if (kind === 'HELP') helped = name;
      else {
        if (!types.includes(rest)) throw new Error(`${rest} is no type`);
        if (helped !== name) throw new Error(`${name} has no help`);
        if (families.has(name)) throw new Error(`${name} comes twice`);
        families.set(name, (current = { name, type: rest, samples: [] }));
      }
      continue;
    }
    const sample = parseSample(line);
    const base = current?.type === 'histogram' ? sample.name.replace(/_(bucket|sum|count)$/, '') : sample.name;
    if (current === undefined || base !== current.name) throw new Error(`${sample.name} stands in no family: ${line}`);
    current.samples.push(sample);
  }
  for (const family of families.values()) check(family);
  return families;
}

function parseSample(line: string): Sample {
  const head = /^([^{ ]+)(\{)?/.exec(line);
  if (head === null || !metricName.test(head[1]!)) throw new Error(`no sample: ${line}`);
  const labels: Record<string, string> = {};
  let at = head[0].length;
  if (head[2] !== undefined) {
    while (line[at] !== '}') {
      const label = /^([^=]+)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(,|(?=\}))/.exec(line.slice(at));
      if (label === null || !labelName.test(label[1]!)) throw new Error(`no label at ${at}: ${line}`);
      if (Object.hasOwn(labels, label[1]!)) throw new Error(`label ${label[1]} twice: ${line}`);
      labels[label[1]!] = label[2]!.replaceAll(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
      at += label[0].length;
    }
    at++;
  }
  const value = /^ (\+Inf|-Inf|NaN|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.exec(line.slice(at))?.[1];
  if (value === undefined) throw new Error(`no value: ${line}`);
  return { name: head[1]!, labels, value: Number(value.replace('Inf', 'Infinity')) };
}

function check({ name, type, samples }: Family): void {
  const seen = new Set<string>();
  for (const sample of samples) {
    const key = `${sample.name}${JSON.stringify(Object.entries(sample.labels).toSorted())}`;
    if (seen.has(key)) throw new Error(`the same series twice: ${key}`);
    seen.add(key);
    if (type === 'counter' && !(sample.value >= 0)) throw new Error(`${name} is no count: ${sample.value}`);
  }
  if (type === 'counter' && !name.endsWith('_total')) throw new Error(`counter ${name} does not end in _total`);
  if (type !== 'histogram') return;
  const series = Map.groupBy(samples, ({ labels: { le: _, ...others } }) => JSON.stringify(others));
  for (const [key, of] of series) {
    const buckets = of.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => Number(labels['le']!.replace('Inf', 'Infinity')));
    const counts = buckets.map(({ value }) => value);
    const rises = (numbers: readonly number[], least: number) =>
      numbers.every((number, i) => i === 0 || number - numbers[i - 1]! >= least);
    if (!rises(bounds, Number.MIN_VALUE) || bounds.at(-1) !== Infinity) throw new Error(`buckets of ${key}`);
    if (!rises(counts, 0)) throw new Error(`counts of ${key} fall`);
    const count = of.find((sample) => sample.name === `${name}_count`)?.value;
    if (count !== counts.at(-1)) throw new Error(`count of ${key}`);
    if (!of.some((sample) => sample.name === `${name}_sum`)) throw new Error(`${key} has no sum`);
  }
}

/** The value of the one series that has these labels. */
export function valueOf(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const found = families
    .get(name)
    ?.samples.filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value));
  if (found?.length !== 1) throw new Error(`${found?.length ?? 0} series ${name} ${JSON.stringify(labels)}`);
  return found[0]!.value;
}
