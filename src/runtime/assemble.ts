/** Puts a plan and the world together: source, sinks, dead letters and codecs of a running pipeline. */
import { hostname } from 'node:os';
import { textCodec } from '../codecs/text.ts';
import type { RuntimeContext } from '../declaration/component.ts';
import type { Program } from '../engine/epoch.ts';
import type { Clock, DeadLetterQueue, EventRecord, HeaderValue, Log, Lookup, Sink, Source } from '../engine/ports.ts';
import type { RecordReader } from '../engine/record.ts';
import type { Meta } from '../expressions/index.ts';
import { type Timestamp, timestampOf } from '../expressions/timestamp.ts';
import { openDeadLetterQueue } from '../operations/dead-letters/queue.ts';
import type { Plan } from '../plan/index.ts';

export interface Assembly {
  readonly program: Program;
  readonly source: Source;
  /** To be opened before the first record. */
  readonly lookups: readonly Lookup[];
  readonly deadLetters: DeadLetterQueue & { close(): Promise<void> };
}

export interface AssembleOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly untilEnd: boolean;
  /** Read under no group; `sinks` and `deadLetters` given here replace those of the plan. */
  readonly dryRun: { readonly sink: (name: string) => Sink; readonly deadLetters: Assembly['deadLetters'] } | null;
}

/** Name of this process among the members of the group. */
export const memberName = (): string => `${hostname()}-${process.pid}`;

export async function assemble(plan: Plan, { clock, log, untilEnd, dryRun }: AssembleOptions): Promise<Assembly> {
  const { definition } = plan;
  const context = (name: string): RuntimeContext => ({
    name,
    pipeline: definition.name,
    pipelineHash: plan.hash,
    clock,
    random: Math.random,
    log,
    directory: definition.directory,
    connection: (kind, connection) => definition.connections[connection ?? kind]?.options ?? {},
  });
  const { source: use } = definition;
  const source = await plan.source.create(use.options as never, {
    ...context(use.name),
    group: definition.group,
    untilEnd,
    detached: dryRun !== null,
  });
  const codec = await plan.source.codec(use.options as never);
  const keyCodec = (await plan.source.keyCodec?.(use.options as never)) ?? textCodec;
  const reader: RecordReader = {
    decode: (value) => codec.decode(value),
    readKey: (key) => keyCodec.decode(key),
    readMeta: (record) => new RecordMeta(record),
  };
  const routes = await Promise.all(
    plan.sinks.map(async ({ use: sinkUse, declaration, fields, when, otherwise, version }) => ({
      sink:
        dryRun?.sink(sinkUse.name) ??
        (await declaration.create(sinkUse.options as never, {
          ...context(sinkUse.name),
          fields,
          versioned: version !== null,
        })),
      when,
      otherwise,
      version,
    })),
  );
  const lookups = await Promise.all(
    plan.lookups.map(async (planned) => {
      const lookup = await planned.declaration.create(planned.use.options as never, context(planned.use.name));
      planned.attach(lookup);
      return lookup;
    }),
  );
  const deadLetters = dryRun?.deadLetters ?? (await openDeadLetterQueue(definition, context('dlq')));
  return { program: { reader: () => reader, steps: plan.steps, routes }, source, lookups, deadLetters };
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
