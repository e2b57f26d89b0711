/** How the records of a source are read: its codecs, and what expressions see as `meta`. */
import { textCodec } from '../codecs/text.ts';
import type { ProgramInput } from '../engine/epoch.ts';
import type { EventRecord, HeaderValue } from '../engine/ports.ts';
import type { RecordReader } from '../engine/record.ts';
import type { Meta } from '../expressions/index.ts';
import { type Timestamp, timestampOf } from '../expressions/timestamp.ts';
import type { PlannedInput } from './index.ts';

/** The inputs of a plan as the engine takes them. */
export const programInputs = (inputs: readonly PlannedInput[]): Promise<readonly ProgramInput[]> =>
  Promise.all(
    inputs.map(async (input) => ({
      source: input.use.name,
      reader: await recordReader(input),
      steps: input.steps,
    })),
  );

async function recordReader({ use, declaration }: PlannedInput): Promise<RecordReader> {
  const options = use.options as never;
  const codec = await declaration.codec(options);
  const keyCodec = (await declaration.keyCodec?.(options)) ?? textCodec;
  return {
    decode: (value) => codec.decode(value),
    readKey: (key) => keyCodec.decode(key),
    readMeta: (record) => new RecordMeta(record),
  };
}

const textDecoder = new TextDecoder();

/** What an expression sees as `meta`. Headers become text only when one is asked for. */
class RecordMeta implements Meta {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly source: string;
  /** Late events are told by windows; a pipeline without them has none. */
  readonly late = false;
  readonly #raw: EventRecord['raw'];

  constructor({ raw, partition }: EventRecord) {
    this.topic = partition.topic;
    this.partition = partition.partition;
    this.source = partition.source;
    this.offset = raw.offset;
    this.#raw = raw;
  }

  get timestamp(): Timestamp {
    return timestampOf(this.#raw.timestampMs * 1000);
  }

  get headers(): Record<string, string> {
    return Object.fromEntries(
      Object.entries(this.#raw.headers ?? {}).map(([name, value]) => [name, headerText(value)]),
    );
  }
}

function headerText(value: HeaderValue): string {
  if (value === undefined) return '';
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return textDecoder.decode(value);
  return headerText(value.at(-1));
}
