import type { EventRecord, Partition, RawRecord } from './ports.ts';

/** How the records of one source are read: shared by all of them, so that a record carries one reference. */
export interface RecordReader {
  /** Value bytes to event; throws an error with a `code` for what can't be read. */
  readonly decode: (value: Uint8Array) => unknown;
  readonly readKey: (key: Uint8Array) => unknown;
  /** Builds what expressions see as `meta`. */
  readonly readMeta: (record: EventRecord) => unknown;
}

/**
 * A record on its way through the steps. Key and meta are made only when somebody asks: most pipelines never do, and
 * this is the hot path.
 */
export class StreamRecord implements EventRecord {
  event: unknown = undefined;
  readonly raw: RawRecord;
  readonly partition: Partition;
  readonly element: string;
  readonly #reader: RecordReader;
  #key: unknown = undefined;
  #meta: unknown = undefined;

  constructor(raw: RawRecord, partition: Partition, reader: RecordReader, element = '') {
    this.raw = raw;
    this.partition = partition;
    this.element = element;
    this.#reader = reader;
  }

  /** Reads the value. Throws what the codec throws; a record without a value is null. */
  decode(): void {
    const { value } = this.raw;
    this.event = value === null ? null : this.#reader.decode(value);
  }

  get key(): unknown {
    if (this.#key !== undefined) return this.#key;
    const { key } = this.raw;
    return (this.#key = key === null ? null : this.#reader.readKey(key));
  }

  get meta(): unknown {
    return (this.#meta ??= this.#reader.readMeta(this));
  }

  /** A record of its own for one element of this one (`explode`): same bytes, same offset, another event. */
  forElement(index: number, event: unknown): StreamRecord {
    const element = this.element === '' ? String(index) : `${this.element}.${index}`;
    const record = new StreamRecord(this.raw, this.partition, this.#reader, element);
    record.event = event;
    return record;
  }
}
