/** A batch of events as rows: encoded, refused where they can't fit, reduced to what must be written per key. */
import type { EventRecord, Partition, Rejection, SinkBatch } from '../../engine/ports.ts';
import { isDecimal } from '../../expressions/decimal.ts';
import { Timestamp } from '../../expressions/timestamp.ts';
import { kindName, kindOf } from '../../expressions/values.ts';
import type { Column } from './catalog.ts';
import type { NewFields } from './new-fields.ts';
import { type Plan, isRequired } from './plan.ts';
import { readTime } from './times.ts';
import { Refusal } from './types.ts';

/** What is known of a partition this sink owns. */
export interface Claim {
  /** Row of the table of positions. */
  readonly id: string;
  readonly ownerEpoch: string;
  /** Number of the log in `_pipectl_version`: the same for whatever pipeline reads it. */
  readonly log: number;
  /** Next offset to be written; 0 where nothing has been. */
  position: number;
}

export interface Row {
  readonly record: EventRecord;
  /** Its place in the batch. */
  readonly at: number;
  /** The key columns as they stand in the line: equal keys have equal texts. */
  readonly key: string;
  /** One line of COPY, without its line break. */
  readonly line: string;
  readonly shape: Shape;
  /** What decides between rows of one key, where the record itself says it and this program can compare it. */
  readonly version: Version | undefined;
  /** How many earlier rows of its key in this batch must be written, each in a statement of its own, before this one. */
  pass: number;
  /** Another row of its key makes it needless, unless that one is refused. */
  superseded: boolean;
  /** The row that stands for this key if this one is refused. */
  older: Row | undefined;
}

type Version = number | bigint;

/** Rows that go to the server in one statement. */
export interface Group {
  readonly shape: Shape;
  readonly rows: readonly Row[];
}

export interface EncodedBatch {
  /** In the order in which they must be written. */
  readonly groups: readonly Group[];
  /** Where each partition was taken to stand: records below were left out. */
  readonly floors: ReadonlyMap<Partition, number>;
  readonly supersededInBatch: number;
  readonly skippedOffset: number;
  readonly rejected: readonly Rejection[];
  /** Records with fields for which columns are to be added; once they are, the batch is encoded again. */
  readonly bringing: readonly EventRecord[];
}

/** A set of columns that rows have in common. The rows of most pipelines have one shape. */
export interface Shape {
  readonly columns: readonly Column[];
}

/** Walking it with "present" or "absent" for each column in turn ends at the shape of the row. */
interface ShapeNode {
  present?: ShapeNode;
  absent?: ShapeNode;
  shape?: Shape;
}

const shapesMax = 1000;

/** The first question answers it for what codecs and steps make. */
const isMap = (event: unknown): event is Record<string, unknown> =>
  typeof event === 'object' &&
  event !== null &&
  (Object.getPrototypeOf(event) === Object.prototype || kindOf(event) === 'map');

const noMap = (event: unknown): Refusal =>
  new Refusal('sink_event_shape', `the event is ${kindName(event)}; a table takes a map of fields`);

/** Encodes batches for one plan. `rebuilding`: a row of equal version is replaced too, since it was made anew. */
export class RowEncoder {
  readonly #plan: Plan;
  readonly #versioned: boolean;
  readonly #newFields: NewFields | null;
  readonly #rebuilding: boolean;
  /** Per column: a field that is absent would be found on the prototype. */
  readonly #inherited: readonly boolean[];
  /** Of the column that holds the version, -1 without. */
  readonly #versionIndex: number;
  readonly #parts: string[] = [];
  #shapes: ShapeNode = {};
  #shapeCount = 0;

  constructor(plan: Plan, versioned: boolean, rebuilding: boolean, newFields: NewFields | null = null) {
    this.#plan = plan;
    this.#newFields = newFields;
    this.#versioned = versioned;
    this.#rebuilding = rebuilding;
    this.#inherited = plan.columns.map(({ name }) => name in Object.prototype);
    this.#versionIndex = plan.guard.kind === 'column' ? plan.columns.indexOf(plan.guard.column) : -1;
  }

  /** Every partition of the batch must be in `claims`. */
  encode(batch: SinkBatch, claims: ReadonlyMap<Partition, Claim>): EncodedBatch {
    const floors = new Map(batch.ranges.map(({ partition }) => [partition, claims.get(partition)!.position]));
    const rejected: Rejection[] = [];
    const bringing: EventRecord[] = [];
    const rows: Row[] = [];
    const latest = new Map<string, Row>();
    const append = this.#plan.keyCount === 0;
    let skippedOffset = 0;
    let supersededInBatch = 0;
    let partition: Partition | undefined;
    let claim: Claim | undefined;
    if (this.#shapeCount > shapesMax) [this.#shapes, this.#shapeCount] = [{}, 0];

    for (let i = 0; i < batch.records.length; i++) {
      const record = batch.records[i]!;
      if (record.partition !== partition) {
        partition = record.partition;
        claim = claims.get(partition)!;
      }
      if (record.raw.offset < claim!.position) {
        skippedOffset++;
        continue;
      }
      const newness = this.#newFields !== null && isMap(record.event) ? this.#newFields.look(record.event) : 'known';
      if (newness === 'brings') bringing.push(record);
      const row = newness instanceof Refusal ? newness : this.#encodeRow(record, i, batch.versions?.[i], claim!.log);
      if (row instanceof Refusal) {
        rejected.push({ record, code: row.code, message: row.message });
        continue;
      }
      rows.push(row);
      if (!append && this.#reduce(row, latest)) supersededInBatch++;
    }
    const standing = supersededInBatch === 0 ? rows : rows.filter((row) => !row.superseded);
    return { groups: groupsOf(standing), floors, supersededInBatch, skippedOffset, rejected, bringing };
  }

  /** The fields of `event` that have no column. */
  unknownFields(event: unknown): string[] {
    if (!isMap(event)) return [];
    return Object.keys(event).filter((field) => !this.#plan.columns.some(({ name }) => name === field));
  }

  #encodeRow(record: EventRecord, at: number, givenVersion: unknown, log: number): Row | Refusal {
    const { columns, keyCount, guard } = this.#plan;
    if (!isMap(record.event)) return noMap(record.event);
    const { event } = record;
    const inherited = this.#inherited;
    const versionIndex = this.#versionIndex;
    let node = this.#shapes;
    // Joined at the end: a text built by += is a tree of its parts, and 8,000 of them cost the garbage collector more
    // than all the rest.
    const parts = this.#parts;
    let count = 0;
    let key = '';
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i]!;
      let value = inherited[i] && !Object.hasOwn(event, column.name) ? undefined : event[column.name];
      if (i === versionIndex) {
        if (this.#versioned) value = givenVersion;
        if (value === undefined || value === null)
          return new Refusal('sink_version_value', `the version (column ${column.name}) is null or absent`);
      }
      if (value === undefined) {
        if (i < keyCount)
          return new Refusal('sink_key_missing', `the event has no field ${column.name}, a column of the key`);
        if (isRequired(column))
          return new Refusal('sink_value_null', `the event has no field ${column.name}, and the column needs a value`);
        node = node.absent ??= {};
        continue;
      }
      node = node.present ??= {};
      if (value === null) {
        if (i < keyCount) return new Refusal('sink_key_missing', `field ${column.name}, a column of the key, is null`);
        if (column.notNull)
          return new Refusal('sink_value_null', `field ${column.name} is null, and the column is NOT NULL`);
        parts[count++] = '\\N';
      } else {
        const text = column.copy(value);
        if (typeof text !== 'string')
          return new Refusal(text.code, `column ${column.name} (${column.type}): ${text.message}`);
        parts[count++] = text;
      }
      if (i === keyCount - 1) key = keyCount === 1 ? parts[0]! : parts.slice(0, keyCount).join('\t');
    }
    if (count === 0) return new Refusal('sink_event_shape', 'the event has no field that the table has a column for');
    let version = versionIndex < 0 ? undefined : this.#columnVersion(event, givenVersion);
    if (guard.kind === 'own') {
      if (this.#versioned) version = wholeVersion(givenVersion);
      if (this.#versioned && version === undefined)
        return new Refusal(
          'sink_version_value',
          `the version is ${kindName(givenVersion)}; it must be a whole number or a time with an offset from UTC`,
        );
      parts[count++] = version === undefined ? String(log) : '0';
      parts[count++] = String(version ?? record.raw.offset);
    }
    const shape = (node.shape ??= this.#shapeOf(event));
    parts.length = count;
    return { record, at, key, line: parts.join('\t'), shape, version, pass: 0, superseded: false, older: undefined };
  }

  #shapeOf(event: Record<string, unknown>): Shape {
    this.#shapeCount++;
    const { columns } = this.#plan;
    return {
      columns: columns.filter(
        ({ name }, i) =>
          (i === this.#versionIndex && this.#versioned) || (Object.hasOwn(event, name) && event[name] !== undefined),
      ),
    };
  }

  /** The version in the version column as a number, where the column keeps it as it is. */
  #columnVersion(event: Record<string, unknown>, given: unknown): Version | undefined {
    const column = this.#plan.columns[this.#versionIndex]!;
    const value = this.#versioned ? given : event[column.name];
    // NaN is above all other numbers for the server, and in no order with them here.
    if (!column.comparable || Number.isNaN(value)) return undefined;
    return typeof value === 'number' || typeof value === 'bigint' ? value : timeVersion(value);
  }

  /** Sets `row` against the latest one of its key; true when one of the two is superseded. */
  #reduce(row: Row, latest: Map<string, Row>): boolean {
    const found = latest.get(row.key);
    if (found === undefined) {
      latest.set(row.key, row);
      return false;
    }
    const replaces = this.#replaces(row, found);
    if (replaces === false) {
      let newer = found;
      while (newer.older !== undefined && this.#replaces(row, newer.older) === false) newer = newer.older;
      row.older = newer.older;
      newer.older = row;
      row.superseded = true;
      return true;
    }
    latest.set(row.key, row);
    row.pass = found.pass;
    // Columns only the earlier row has must reach the table, and where only the server can compare it must see both.
    if (replaces === undefined || !covers(row.shape, found.shape)) {
      row.pass++;
      return false;
    }
    found.superseded = true;
    row.older = found;
    return true;
  }

  /** Whether the table would take `row` after `other`; undefined where only the server knows. */
  #replaces(row: Row, other: Row): boolean | undefined {
    if (this.#plan.guard.kind !== 'column' && !this.#versioned) return true;
    if (row.version === undefined || other.version === undefined) return undefined;
    return row.version > other.version || (this.#rebuilding && this.#versionIndex >= 0 && row.version >= other.version);
  }
}

const covers = (shape: Shape, other: Shape): boolean =>
  shape === other || other.columns.every((column) => shape.columns.includes(column));

function groupsOf(rows: readonly Row[]): Group[] {
  const first = rows[0];
  if (first === undefined) return [];
  if (rows.every((row) => row.shape === first.shape && row.pass === 0)) return [{ shape: first.shape, rows }];
  const groups: { shape: Shape; pass: number; rows: Row[] }[] = [];
  const byPass: Map<Shape, Row[]>[] = [];
  for (const row of rows) {
    const shapes = (byPass[row.pass] ??= new Map());
    let group = shapes.get(row.shape);
    if (group === undefined) {
      group = [];
      shapes.set(row.shape, group);
      groups.push({ shape: row.shape, pass: row.pass, rows: group });
    }
    group.push(row);
  }
  return groups.sort((a, b) => a.pass - b.pass);
}

const int64Max = 2n ** 63n;

/** A version as 64-bit number: integers as they are, times in microseconds. */
function wholeVersion(value: unknown): Version | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined;
  if (isDecimal(value)) return /^-?\d+$/.test(value.toString()) ? wholeVersion(BigInt(value.toString())) : undefined;
  if (typeof value === 'bigint') return value >= -int64Max && value < int64Max ? value : undefined;
  if (typeof value === 'string' && readTime(value)?.hasOffset !== true) return undefined;
  return timeVersion(value);
}

function timeVersion(value: unknown): number | undefined {
  if (value instanceof Timestamp) return value.micros;
  const micros = typeof value === 'string' ? readTime(value)?.micros : undefined;
  return Number.isSafeInteger(micros) ? micros : undefined;
}
