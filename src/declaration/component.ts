/**
 * What a component says about itself. From one declaration follow the TypeScript types, the validator, the published
 * JSON Schema, editor completion, `pipectl docs` and the reference page.
 */
import type { Static, TObject, TSchema } from 'typebox';
import type { Clock, Codec, Log, Lookup, Sink, Source, Step } from '../engine/ports.ts';
import type { Expression, Type } from '../expressions/index.ts';
import type { SinkPositions } from './positions.ts';

interface Declaration<T extends TSchema> {
  /** The key that names it in a pipeline file: `postgres`, `filter`. */
  readonly name: string;
  /** One sentence for editors, `pipectl docs` and the reference. */
  readonly summary: string;
  /**
   * Schema of the options below the name, built with `Type` of `./type.ts` (not the library, whose loading is slow). Every
   * property has a `description`; defaults stand in the schema.
   */
  readonly options: T;
  /** YAML that validates, as a user would write it: `postgres: { connection: serving, table: orders, key: [id] }`. */
  readonly example: string;
}

/** Path below the component's options, for the place in an error message. */
export type OptionPath = readonly (string | number)[];

/** How a component reports what a schema can't say, and gets its expressions. The same calls serve `validate` and `run`. */
export interface BuildContext {
  /** Compiles an expression option. A problem is reported with its place, and an expression that is never run returned. */
  expression(text: unknown, path: OptionPath, expected?: 'bool'): Expression;
  /** Compiles a text option with `{...}` inside. */
  template(text: string, path: OptionPath): Expression;
  /** What `lookups:` declares under a name. A name that is not there is reported; rows can be asked for only in `run`. */
  lookup(name: string, path: OptionPath): Pick<Lookup, 'get'>;
  problem(path: OptionPath, code: string, message: string, hint?: string): void;
  warning(path: OptionPath, code: string, message: string, hint?: string): void;
  /** What is known of the event at this place of the pipeline: `dyn` where nothing is. */
  readonly event: Type;
  /** Its fields; null where there may be others. */
  readonly fields: readonly string[] | null;
  /** By name; `unknownVar` where the environment does not tell. */
  readonly vars: Readonly<Record<string, unknown>>;
}

/** What a step may ask where it says what becomes of an event. */
export interface TypeContext {
  /** The step's name. */
  readonly name: string;
  /** An expression of its options, as `create` had it compiled. */
  expression(text: unknown): Pick<Expression, 'type' | 'tree'>;
  /** Type of the rows of a lookup. */
  row(lookup: string): Type;
}

/** Everything a running source or sink needs from the process around it. */
export interface RuntimeContext {
  /** Name of the component in the pipeline (`sinks[0]`'s `name`, default the kind). */
  readonly name: string;
  readonly pipeline: string;
  /** The `pipeline` of the live one beside which this one is a backfill (`run --as`). */
  readonly backfillOf?: string;
  /** Changes with every change of the pipeline's meaning. */
  readonly pipelineHash: string;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  /** Options of the connection a component names or carries, already interpolated: `connection('postgres', 'serving')`. */
  connection(kind: string, name?: string): Readonly<Record<string, unknown>>;
  /** Directory of the pipeline file: relative paths in options start here. */
  readonly directory: string;
}

export interface SourceContext extends RuntimeContext {
  /** The consumer group. */
  readonly group: string;
  /** Stop at the end offsets seen at start. */
  readonly untilEnd: boolean;
  /** With `untilEnd`: stop at the first record of each partition whose timestamp is at or after this. */
  readonly untilMs?: number;
  /** Read under no group and commit nothing (`--dry-run`). */
  readonly detached: boolean;
  readonly vars: Readonly<Record<string, unknown>>;
}

export interface SinkContext extends RuntimeContext {
  /** Fields of the event that reaches the sink; null where they are not known. */
  readonly fields: readonly string[] | null;
  /** True where the sink has a `version:` and `SinkBatch.versions` will be filled. */
  readonly versioned: boolean;
}

export interface SourceDeclaration<T extends TObject = TObject> extends Declaration<T> {
  readonly kind: 'source';
  /** Checks the schema can't make. */
  check?(options: Static<T>, context: BuildContext): void;
  /** The codec that reads its values: `json`; decided by options such as `format`. */
  codec(options: Static<T>): Promise<Codec>;
  /** The codec that reads its keys. Default: text. */
  keyCodec?(options: Static<T>): Promise<Codec>;
  /** False where its values are surely no JSON. */
  holdsJson?(options: Static<T>): boolean;
  /** The file with the JSON Schema of its events, where one is named. */
  eventSchema?(options: Static<T>): string | undefined;
  /** The type of its events, where the options tell it. */
  eventType?(options: Static<T>, vars: Readonly<Record<string, unknown>>): Type;
  /** Among which records it keeps one order: all, those of one key, or (default) only those of one partition. */
  order?(options: Static<T>): 'all' | 'key' | 'partition';
  create(options: Static<T>, context: SourceContext): Promise<Source>;
  /** How several of it are read as one, through one connection; without it a pipeline has only one. */
  readonly merged?: {
    /** Options of what reads them all: the loader sees to it that they are the same in each. */
    readonly shared: readonly (keyof Static<T> & string)[];
    /** Checks that the sources do not get in each other's way. */
    check(inputs: readonly MergeInput<T>[], contexts: readonly Pick<BuildContext, 'problem'>[]): void;
    create(inputs: readonly MergeInput<T>[], context: SourceContext): Promise<Source>;
  };
}

/** One of several sources that are read as one. */
export interface MergeInput<T extends TObject = TObject> {
  /** `Partition.source` of its partitions. */
  readonly name: string;
  readonly options: Static<T>;
}

/** A true word about delivery, shown by `explain` and the status view. */
export interface Delivery {
  readonly verdict: 'effectively once' | 'at least once';
  readonly reason: string;
  /** What the verdict does not cover, each with the way out. */
  readonly limits?: readonly string[];
}

/** What a sink's promise rests on beside its own options. */
export interface DeliveryInput {
  /** The sink has a `version:`. */
  readonly versioned: boolean;
  /** True where all events with the same values in these fields surely come in the order in which they were written. */
  keepsOrder(fields: readonly string[]): boolean;
}

export interface SinkDeclaration<T extends TObject = TObject> extends Declaration<T> {
  readonly kind: 'sink';
  check?(options: Static<T>, context: BuildContext): void;
  delivery(options: Static<T>, input: DeliveryInput): Delivery;
  create(options: Static<T>, context: SinkContext): Promise<Sink>;
  /** The positions it keeps, for commands that move them. Absent where the group's committed offsets are the truth. */
  positions?(options: Static<T>, context: RuntimeContext): Promise<SinkPositions>;
}

export interface StepDeclaration<T extends TSchema = TSchema> extends Declaration<T> {
  readonly kind: 'step';
  /** Compiles the step. Called by `validate` and `run` alike: problems go to the context, never thrown. */
  create(
    options: Static<T>,
    context: BuildContext & { readonly name: string; readonly onError: 'dlq' | 'drop' | 'stop' },
  ): Step;
  /** Type of the event after the step, from the one before it; `dyn` where nothing is known. Called after `create`. */
  output(options: Static<T>, before: Type, context: TypeContext): Type;
}

/** Shared options of a service, named in `connections:` or written inside the component that uses them. */
export interface ConnectionDeclaration<T extends TObject = TObject> extends Declaration<T> {
  readonly kind: 'connection';
}

/** Rows by key, which `enrich` adds to events. */
export interface LookupDeclaration<T extends TObject = TObject> extends Declaration<T> {
  readonly kind: 'lookup';
  check?(options: Static<T>, context: BuildContext): void;
  /** Type of its rows. */
  row(options: Static<T>): Type;
  create(options: Static<T>, context: RuntimeContext): Promise<Lookup>;
}

export const defineSource = <T extends TObject>(declaration: SourceDeclaration<T>): SourceDeclaration<T> => declaration;
export const defineSink = <T extends TObject>(declaration: SinkDeclaration<T>): SinkDeclaration<T> => declaration;
export const defineStep = <T extends TSchema>(declaration: StepDeclaration<T>): StepDeclaration<T> => declaration;
export const defineLookup = <T extends TObject>(declaration: LookupDeclaration<T>): LookupDeclaration<T> => declaration;
export const defineConnection = <T extends TObject>(declaration: ConnectionDeclaration<T>): ConnectionDeclaration<T> =>
  declaration;
