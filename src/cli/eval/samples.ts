/** Events to try an expression on: from a file, a topic, or as they are after a step of a pipeline. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { isMapping } from '../../definition/json-schema.ts';
import { loadPipeline } from '../../definition/load.ts';
import { report } from '../../definition/report.ts';
import { listed, suggestion } from '../../definition/suggestion.ts';
import { inputOf, type PlannedStep, type Program } from '../../engine/epoch.ts';
import { type EventRecord, type RawRecord, type Source, silentLog } from '../../engine/ports.ts';
import { StreamRecord } from '../../engine/record.ts';
import { exitCodes, PipectlError } from '../../errors.ts';
import type { Scope, Type } from '../../expressions/index.ts';
import { JsonError, parseJson } from '../../expressions/json.ts';
import { timestampOf } from '../../expressions/timestamp.ts';
import { type Plan, planPipeline } from '../../plan/index.ts';
import { assemble, stageParts } from '../../runtime/assemble.ts';
import { systemClock } from '../../runtime/clock.ts';
import { dryRun } from '../../runtime/dry-run.ts';

/** What there is to evaluate on. */
export interface Samples {
  readonly scopes: readonly Scope[];
  /** What is known about their events. */
  readonly type: Type;
  readonly vars: Readonly<Record<string, unknown>>;
  /** Values that must not be shown, which an expression may give all the same: `vars.pepper`. */
  readonly secrets: readonly string[];
  /** What became of those that did not get here, a sentence each. */
  readonly notes: readonly string[];
}

const bytesMax = 16 * 1024 * 1024;

/** Events of a text: one JSON value, a list of them, or one a line. Throws `PipectlError` with the line. */
export function readEvents(text: string, name: string): readonly unknown[] {
  const lines = text.split('\n');
  const whole = lines.filter((line) => line.trim() !== '').length > 1 ? tryJson(text) : { value: null, failed: true };
  if (!whole.failed) return Array.isArray(whole.value) ? (whole.value as unknown[]) : [whole.value];
  return lines.flatMap((line, index): unknown[] => {
    if (line.trim() === '') return [];
    try {
      const value = parseJson(line);
      return Array.isArray(value) ? value : [value];
    } catch (error) {
      if (!(error instanceof JsonError)) throw error;
      throw new PipectlError('json_syntax', `${name}:${index + 1}  ${error.message}`, {
        hint: 'events are one JSON value, a list of them, or one a line',
      });
    }
  });
}

function tryJson(text: string): { readonly value: unknown; readonly failed: boolean } {
  try {
    return { value: parseJson(text), failed: false };
  } catch {
    return { value: null, failed: true };
  }
}

/** The text of a file, or of standard input for `-`. */
export async function readText(file: string): Promise<string> {
  if (file !== '-') {
    try {
      return readFileSync(file, 'utf8');
    } catch (error) {
      const message = `reading ${file}: ${(error as Error).message}`;
      throw new PipectlError('file_unreadable', message, { cause: error, exitCode: exitCodes.usage });
    }
  }
  let text = '';
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.length > bytesMax) throw new PipectlError('usage', `a sample has at most ${bytesMax} bytes`);
  }
  return text;
}

/** Events without a pipeline around them. */
export function plainSamples(events: readonly unknown[]): Samples {
  const scopes = events.map((event, offset) => ({ event, key: null, meta: { ...sampleMeta, offset } }));
  return { scopes, type: 'dyn', vars: {}, secrets: [], notes: [] };
}

const sampleMeta = {
  topic: 'sample',
  partition: 0,
  timestamp: timestampOf(0),
  headers: {},
  source: 'sample',
  late: false,
};

/** The plan of a pipeline that reads a topic and does nothing with it. */
export async function planOfTopic(
  topic: string,
  brokers: string | undefined,
  environment: string | null = null,
): Promise<{ plan: Plan; vars: Vars }> {
  const file = resolve('topic.yaml');
  const kafka = { topic, ...(brokers === undefined ? {} : { brokers }) };
  // JSON is YAML.
  const text = JSON.stringify({ name: 'sample', source: { kafka }, sinks: [{ discard: {} }] });
  const readFile = (path: string) => (path === file ? text : readFileSync(path, 'utf8'));
  const loaded = await loadPipeline(file, { env: process.env, mode: 'run', environment, readFile });
  const plan = await planPipeline(loaded);
  if (plan !== null) return { plan, vars: loaded.vars };
  throw new PipectlError('pipeline_invalid', report([{ file, problems: loaded.problems.sorted() }], 'text').trimEnd());
}

type Vars = Readonly<Record<string, unknown>>;

export interface PlanSampleOptions {
  /** Name of the step whose events are wanted; undefined: after all of them. */
  readonly after: string | undefined;
  /** Only events of this source; undefined: of all. */
  readonly source: string | undefined;
  /** At most so many records. */
  readonly count: number;
  /** Events to take instead of those of the pipeline's source. */
  readonly events: readonly unknown[] | null;
  /** The newest records of a log instead of the first. */
  readonly newest: boolean;
}

/** Runs sample records through the steps of a plan. Reads under no group and commits nothing. */
export async function planSamples(plan: Plan, vars: Vars, options: PlanSampleOptions): Promise<Samples> {
  const { inputs, steps, type } = stepsUpTo(plan, options);
  const [first, another] = inputs;
  if (options.events !== null && another !== undefined) {
    const hint = `write --source ${first!.use.name}, or --source ${another.use.name}`;
    throw new PipectlError('usage', 'the pipeline has several sources: say which one these events come from', {
      hint,
      exitCode: exitCodes.usage,
    });
  }
  const names = new Set(inputs.map(({ use }) => use.name));
  const assembly = await assemble(plan, {
    clock: systemClock,
    log: silentLog,
    // A generator may have no end; it is never short of events either.
    untilEnd: plan.inputs[0].use.component !== 'generate',
    dryRun: dryRun(() => Promise.resolve()),
  });
  const { lookups } = assembly;
  const { source, program } = await assembly.make(stageParts(plan, true)[0]);
  try {
    await Promise.all(lookups.map((lookup) => lookup.open()));
    const notes = new Map<string, number>();
    const note = (text: string) => notes.set(text, (notes.get(text) ?? 0) + 1);
    const apply = (planned: readonly PlannedStep[], before: EventRecord[]) =>
      planned.reduce(
        (records, { step }) =>
          step.apply(records, {
            filtered: () => note(`filtered by ${step.name}`),
            dropped: (_, reason) => note(`dropped by ${step.name}: ${reason}`),
            dead: (_, code, message) => note(`dead in ${step.name}: ${code}, ${message}`),
          }),
        before,
      );
    const read =
      options.events === null
        ? decoded(await readSource(source, names, options), program, note)
        : options.events.slice(0, options.count).map((event, offset) => given(event, offset, first!.use.name, program));
    const own = inputs.flatMap(({ use, steps: before }) =>
      apply(
        before,
        read.filter((record) => inputOf(program, record.partition).source === use.name),
      ),
    );
    const records = apply(steps, own);
    const told = [...notes].map(([text, count]) => `${count} ${count === 1 ? 'event was' : 'events were'} ${text}`);
    // A step may have made several out of one.
    const scopes = records.slice(0, options.count) as unknown as Scope[];
    return { scopes, type, vars, secrets: plan.definition.secrets, notes: told };
  } finally {
    await Promise.all([source.close(), ...lookups.map((lookup) => lookup.close())]);
  }
}

/** What runs up to a step: of one source where it is that source's own, else of all. */
function stepsUpTo({ definition, inputs: all, steps, types }: Plan, { after, source }: PlanSampleOptions) {
  const inputs = source === undefined ? all : all.filter(({ use }) => use.name === source);
  if (inputs.length === 0) {
    const message = `${definition.name} has no source ${source}`;
    const hint = `sources: ${listed(
      all.map(({ use }) => use.name),
      'and',
    )}`;
    throw new PipectlError('usage', message, { hint, exitCode: exitCodes.usage });
  }
  const place = (uses: readonly { readonly name: string }[]) => uses.findIndex(({ name }) => name === after) + 1;
  const count = after === undefined ? steps.length : place(definition.steps);
  if (after === undefined || count > 0) return { inputs, steps: steps.slice(0, count), type: types[count] ?? 'dyn' };
  for (const input of inputs) {
    const index = place(input.use.steps);
    if (index === 0) continue;
    // The event time may come before its own steps.
    const before = input.steps.slice(0, input.steps.length - input.use.steps.length + index);
    return { inputs: [{ ...input, steps: before }], steps: [], type: input.types[index] ?? 'dyn' };
  }
  const names = [...inputs.flatMap(({ use }) => use.steps), ...definition.steps].map(({ name }) => name);
  const near = suggestion(after, names);
  const message = `${definition.name} has no step ${after}${near === null ? '' : `; did you mean ${near}?`}`;
  const hint = names.length === 0 ? 'it has no steps' : `steps: ${listed(names, 'and')}`;
  throw new PipectlError('usage', message, { hint, exitCode: exitCodes.usage });
}

interface Read {
  readonly partition: EventRecord['partition'];
  readonly raw: RawRecord;
}

/** Of these sources, the first `count` records from where the source begins, or the newest ones. */
async function readSource(
  source: Source,
  names: ReadonlySet<string>,
  { count, newest }: PlanSampleOptions,
): Promise<readonly Read[]> {
  await source.start();
  const limits = { recordsMax: Math.max(count, 100), bytesMax };
  const found: Read[] = [];
  // Of the newest, each partition may hold all.
  for (;;) {
    const event = await source.next(limits);
    if (event.kind === 'ended' || (!newest && found.length >= count)) break;
    if (event.kind === 'assigned') {
      const { generation, partitions } = event.assignment;
      const positions = partitions.map(({ partition, logStart, logEnd, initial }) => {
        return [partition, newest ? Math.max(logStart, logEnd - count) : initial] as const;
      });
      source.begin(generation, new Map(positions));
      continue;
    }
    for (const { partition, records } of event.chunks)
      if (names.has(partition.source)) found.push(...records.map((raw) => ({ partition, raw })));
    if (!newest && found.length >= count) break;
  }
  if (newest) found.sort((a, b) => b.raw.timestampMs - a.raw.timestampMs);
  return found.slice(0, count);
}

function decoded(read: readonly Read[], program: Program, note: (text: string) => void): StreamRecord[] {
  return read.flatMap(({ raw, partition }) => {
    const record = new StreamRecord(raw, partition, inputOf(program, partition).reader);
    try {
      record.decode();
      return [record];
    } catch (error) {
      note(`dead in decode: ${(error as Error).message}`);
      return [];
    }
  });
}

function given(event: unknown, offset: number, source: string, program: Program): StreamRecord {
  const partition = { cluster: 'sample', topic: 'sample', topicId: 'sample', partition: 0, source };
  const raw = { offset, timestampMs: systemClock.now(), key: null, value: null, headers: undefined };
  const record = new StreamRecord(raw, partition, inputOf(program, partition).reader);
  record.event = isMapping(event) ? { ...event } : event;
  return record;
}
