/** A pipeline and its test out of sampled events: every field mapped, the schema that was seen in a comment. */
import { stringify } from 'yaml';
import type { FieldKind, InferredField } from './infer.ts';

export interface SampledTopic {
  readonly topic: string;
  readonly brokers: string | undefined;
  /** Events that were seen. */
  readonly count: number;
  readonly fields: readonly InferredField[];
  /** Day of the sampling: 2026-11-22. */
  readonly day: string;
}

/** The text of the pipeline. Nested fields become columns of their own: `customer.id` is `customer_id`. */
export function sampledPipeline({ topic, brokers, count, fields, day }: SampledTopic): string {
  const width = Math.max(...fields.map(({ path }) => shownPath(path).length));
  const schema = fields.map((field) => `#   ${shownPath(field.path).padEnd(width)}  ${shownType(field, count)}`);
  const kafka = { ...(brokers === undefined ? {} : { brokers }), topic };
  const map = Object.fromEntries(columnsOf(fields).map(([column, field]) => [column, expressionOf(field, count)]));
  const body = stringify({ source: { kafka }, steps: [{ map }], sinks: [{ stdout: {} }] }, { lineWidth: 0 });
  return `# What ${count} of the newest records of ${JSON.stringify(topic)} held on ${day}. Other records may hold more.
${schema.join('\n')}

${body}# Into a table instead:
#  - postgres: { url: '\${PG_URL}', table: NAME, key: [${Object.keys(map)[0]}], create: true }
`;
}

/** One case with made-up values: no value of the topic is written down. */
export function sampledTest({ fields, count }: SampledTopic): string {
  const event: Record<string, unknown> = {};
  for (const { path, kind } of fields) {
    let target = event;
    for (const name of path.slice(0, -1)) target = (target[name] ??= {}) as Record<string, unknown>;
    target[path.at(-1)!] = examples[kind];
  }
  const row = Object.fromEntries(columnsOf(fields).map(([column, { kind }]) => [column, examples[kind]]));
  const required = fields.find((field) => field.present === count && field.path.length === 1);
  const cases = [
    { name: 'a record with every field becomes a row', events: [event], expect: { exact: true, rows: [row] } },
    ...(required === undefined
      ? []
      : [
          {
            name: 'a record without fields is a dead letter',
            events: [{}],
            expect: { rows: [], dead_letters: [{ record: 0, code: 'field_missing' }] },
          },
        ]),
  ];
  return stringify({ cases }, { lineWidth: 0, aliasDuplicateObjects: false });
}

const examples: Readonly<Record<FieldKind, unknown>> = {
  bool: true,
  int: 1,
  number: 1.5,
  text: 'text',
  time: '2026-01-01T12:00:00Z',
  list: [],
  any: null,
};

const identifier = /^[A-Za-z_]\w*$/;
// Words that CEL does not take as the name of a field after a dot.
const reserved = new Set(['true', 'false', 'null', 'in']);

const shownPath = (path: readonly string[]): string =>
  path.map((name) => (identifier.test(name) ? name : JSON.stringify(name))).join('.');

function shownType({ kind, present, nullable }: InferredField, count: number): string {
  const notes = [...(present < count ? [`in ${present} of ${count}`] : []), ...(nullable ? ['may be null'] : [])];
  return [kind, ...notes].join(', ');
}

/** Names of the columns, each once. */
function columnsOf(fields: readonly InferredField[]): readonly (readonly [string, InferredField])[] {
  const taken = new Set<string>();
  return fields.map((field) => {
    const name = field.path
      .join('_')
      .replace(/\W+/g, '_')
      .replace(/^(?=\d|$)/, '_');
    let column = name;
    for (let number = 2; taken.has(column); number++) column = `${name}_${number}`;
    taken.add(column);
    return [column, field] as const;
  });
}

function expressionOf({ path, kind, present, nullable }: InferredField, count: number): string {
  const optional = present < count;
  const read = (mark: string) =>
    path.reduce(
      (target, name) =>
        identifier.test(name) && !reserved.has(name)
          ? `${target}.${mark}${name}`
          : `${target}[${mark}${JSON.stringify(name)}]`,
      'event',
    );
  const value = read(optional ? '?' : '');
  if (kind !== 'time') return value;
  return optional || nullable ? `${value} == null ? null : timestamp(${value})` : `timestamp(${value})`;
}
