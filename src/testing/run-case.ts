/** Runs one case: the real plan on the real engine stage, under a clock the case moves. */
import assert from 'node:assert/strict';
import { decodeJson } from '../codecs/json.ts';
import type { SourceUse } from '../definition/pipeline.ts';
import { type AssignedPartition, type DeadLetter, type Partition, type RawRecord, silentLog } from '../engine/ports.ts';
import { Stage } from '../engine/stage.ts';
import { PipectlError } from '../errors.ts';
import { redactedLetter } from '../plan/redact.ts';
import type { Plan } from '../plan/index.ts';
import { programInputs } from '../plan/record-reader.ts';
import type { CaseClock } from './clock.ts';
import { recordEncoder } from './encode.ts';
import { firstTopic, sourceOf } from './record-source.ts';
import type { TestCase, TestRecord } from './test-file.ts';
import { FedSource, RecordingQueue, RecordingSink } from './world.ts';

/** What came out of a case. */
export interface Outcome {
  /** Events as the sinks were given them, by the sink's name, in order. */
  readonly rows: ReadonlyMap<string, readonly unknown[]>;
  /** In the order of their records. */
  readonly deadLetters: readonly CaseDeadLetter[];
  readonly filtered: number;
  readonly dropped: number;
  /** Why the pipeline stopped by itself (`on_error: stop`); null where it went on to the end. */
  readonly stopped: string | null;
}

export interface CaseDeadLetter {
  /** Place of the record in the list of the case. */
  readonly record: number;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly stage: string;
  readonly code: string;
  readonly message: string;
  /** As it would lie in the queue, fields redacted; the text where it is no JSON. */
  readonly value: unknown;
}

/** `plan` was made for this case and with this clock. Rejects only where there is a bug. */
export async function runCase(plan: Plan, { moves, lookups }: TestCase, clock: CaseClock): Promise<Outcome> {
  const log = new CaseLog(plan);
  const records = moves.flatMap((move) => (move.kind === 'record' ? [move.record] : []));
  const source = new FedSource(log.partitionsOf(records));
  const sinks = plan.sinks.map(({ use }) => new RecordingSink(use.name));
  const queue = new RecordingQueue();
  const inputs = await programInputs(plan.inputs);
  for (const lookup of plan.lookups) {
    const rows = new Map(Object.entries(lookups[lookup.use.name] ?? {}));
    lookup.attach({ get: (key) => rows.get(key) });
  }
  const stage = new Stage({
    program: {
      inputs,
      steps: plan.steps,
      routes: plan.sinks.map(({ when, otherwise, version }, i) => ({ sink: sinks[i]!, when, otherwise, version })),
    },
    source,
    deadLetters: queue,
    clock,
    random: () => 0,
    log: silentLog,
    // Only a move of the clock parts epochs: how many records fit into one must not show in a test.
    limits: { recordsMax: Number.MAX_SAFE_INTEGER, bytesMax: Number.MAX_SAFE_INTEGER },
    batchEveryMs: null,
    openMs: 0,
    onDeadLetters: () => undefined,
  });
  const stopped = stage.run().then(() => null, stopReason);
  // It may reject long before it is waited for.
  stopped.catch(() => undefined);
  for (const move of moves) {
    if (move.kind === 'advance') await clock.advance(move.byMs);
    else source.feed(log.append(move.record, clock.now()));
  }
  source.end();
  return {
    stopped: await stopped,
    rows: new Map(sinks.map(({ name, rows }) => [name, rows])),
    deadLetters: queue.letters.map((letter) => log.letter(letter)).sort((a, b) => a.record - b.record),
    filtered: stage.report.stages.reduce((sum, { filtered }) => sum + filtered, 0),
    dropped: stage.report.stages.reduce((sum, { dropped }) => sum + dropped, 0),
  };
}

/** What a user can do something about is an outcome; anything else is a bug. */
function stopReason(error: unknown): string {
  if (error instanceof PipectlError) return `${error.message} [${error.code}]`;
  throw error;
}

function shownValue(value: Uint8Array | null): unknown {
  if (value === null) return null;
  try {
    return decodeJson(value);
  } catch {
    return Buffer.from(value).toString('utf8');
  }
}

/** The log of a case: its partitions, and the offset each record gets. */
class CaseLog {
  readonly #plan: Plan;
  readonly #partitions = new Map<string, Partition>();
  readonly #nextOffsets = new Map<Partition, number>();
  readonly #indexes = new Map<RawRecord, number>();

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** Every partition of the case, and partition 0 of the topic in any case. */
  partitionsOf(records: readonly TestRecord[]): readonly AssignedPartition[] {
    const [{ name: source }] = this.#plan.definition.sources;
    const partitions = new Set([{ source, topic: null, partition: 0 }, ...records].map((one) => this.#partition(one)));
    return [...partitions].map((partition) => ({
      partition,
      committed: null,
      logStart: 0,
      logEnd: Number.MAX_SAFE_INTEGER,
      initial: 0,
    }));
  }

  append(record: TestRecord, nowMs: number): { readonly partition: Partition; readonly raw: RawRecord } {
    const partition = this.#partition(record);
    const offset = record.offset ?? this.#nextOffsets.get(partition) ?? 0;
    this.#nextOffsets.set(partition, offset + 1);
    const encoder = recordEncoder(this.#source(record));
    const { content } = record;
    const raw = {
      offset,
      timestampMs: record.timestampMs ?? nowMs,
      key: encoder.key(record.key),
      value: 'bytes' in content ? content.bytes : encoder.value(content.value),
      headers: record.headers,
    };
    this.#indexes.set(raw, record.index);
    return { partition, raw };
  }

  letter(letter: DeadLetter): CaseDeadLetter {
    const { raw, stage, code, message } = redactedLetter(letter, this.#plan.definition.letterForm).letter;
    const { topic, partition } = letter.partition;
    const place = { record: this.#indexes.get(letter.raw)!, topic, partition, offset: raw.offset };
    return { ...place, stage, code, message, value: shownValue(raw.value) };
  }

  #source(record: Pick<TestRecord, 'source' | 'topic'>): SourceUse {
    const use = sourceOf(this.#plan.definition, record);
    assert(use !== null, 'the sources of records are checked before a case runs');
    return use;
  }

  #partition(record: Pick<TestRecord, 'source' | 'topic' | 'partition'>): Partition {
    const { partition } = record;
    const use = this.#source(record);
    const topic = record.topic ?? firstTopic(use);
    const key = `${partition} ${use.name} ${topic}`;
    const known = this.#partitions.get(key);
    if (known) return known;
    const made = { cluster: 'test', topic, topicId: topic, partition, source: use.name };
    this.#partitions.set(key, made);
    return made;
  }
}
