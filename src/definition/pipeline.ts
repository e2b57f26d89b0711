/** A pipeline file as the program sees it: interpolated, defaults filled in, one entry per component. */
import type { BreakerLimits } from '../engine/breaker.ts';
import type { RetryPolicy } from '../engine/epoch.ts';
import type { AlertRules } from './alerts.ts';
import type { LetterForm } from './letter-form.ts';
import type { Type } from '../expressions/index.ts';

/** Place of a value in the file, from the root: `['steps', 0, 'filter']`. */
export type ValuePath = readonly (string | number)[];

/** One component as a pipeline uses it. */
export interface ComponentUse {
  /** The key that names the component: `kafka`, `filter`, `postgres`. */
  readonly component: string;
  /** `name:` beside it; default: the component, with a number where it occurs more than once (`filter-1`). */
  readonly name: string;
  /** Its options, checked against its schema, defaults filled in. */
  readonly options: unknown;
  /** Where the options stand: `['steps', 0, 'filter']`. */
  readonly path: ValuePath;
}

/** Where the time of an event comes from. */
export interface EventTimeUse {
  /** Expression for the event time; null: the record's timestamp. */
  readonly field: unknown;
  /** Unit of `field` where it is a number. */
  readonly unit: 's' | 'ms' | 'us' | null;
  /** Further ahead of the clock than this is a dead letter; null: off. */
  readonly aheadMs: number | null;
  /** Where `field` and `unit` stand: `['time']`, or below the source. */
  readonly path: ValuePath;
  /** Where `ahead` stands. */
  readonly aheadPath: ValuePath;
}

/** One source with what happens to its records before they meet those of the others. */
export interface SourceUse extends ComponentUse {
  /** What a schema says of its events; `dyn` without one. */
  readonly event: Type;
  readonly time: EventTimeUse;
  readonly steps: readonly StepUse[];
}

export interface StepUse extends ComponentUse {
  readonly onError: 'dlq' | 'drop' | 'stop';
}

export interface SinkUse extends ComponentUse {
  /** Expression; only rows for which it is true are written. `otherwise`: rows no other `when` took. */
  readonly when?: unknown;
  /** Expression for what "newer" means. */
  readonly version?: unknown;
  /** A required sink holds the pipeline back when it is away. One that is not reads for itself (`sink-groups.ts`). */
  readonly required: boolean;
  /** What becomes of its rows while it is away. */
  readonly retry: RetryPolicy;
}

export interface LookupUse extends ComponentUse {
  /** Of the file it is declared in, absolute: relative paths in its options start there. */
  readonly directory: string;
}

export interface ConnectionUse {
  /** Kind of connection: `postgres`, `kafka`. */
  readonly kind: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly path: ValuePath;
}

export interface PipelineDefinition {
  /** As given on the command line. */
  readonly file: string;
  /** Directory of the file, absolute. */
  readonly directory: string;
  readonly name: string;
  readonly description: string | null;
  /** Environment of `pipectl.yaml` it was loaded for. */
  readonly environment: string | null;
  /** What the environment puts before names; `group` and the topic of `dlq` have it already. */
  readonly prefix: string;
  /** The environment wants warnings to count as errors. */
  readonly strict: boolean;
  readonly group: string;
  /** Name of the pipeline beside which this one is a backfill (`run --as`); absent for a pipeline itself. */
  readonly backfillOf?: string;
  /** One at least. Several are of one component and read through one connection. */
  readonly sources: readonly [SourceUse, ...SourceUse[]];
  /** For the events of all sources. */
  readonly steps: readonly StepUse[];
  readonly sinks: readonly SinkUse[];
  /** By name; what is not sound is left out. */
  readonly lookups: Readonly<Record<string, LookupUse>>;
  /** Names of all that a step may ask for: of the pipeline and of its project. */
  readonly lookupNames: readonly string[];
  /** A topic for a Kafka source, else a file, as an absolute path. */
  readonly dlq: { readonly topic: string } | { readonly file: string };
  readonly letterForm: LetterForm;
  /** When too many dead letters hold the pipeline; null: never. */
  readonly breaker: BreakerLimits | null;
  /** Null where there are none. */
  readonly alerts: AlertRules | null;
  /** By the project's conventions a topic has at least so many; null where they say nothing. */
  readonly partitionsMin: number | null;
  /** Micro-batching: an epoch at most this often; null: as soon as there is something. */
  readonly batchEveryMs: number | null;
  /** By name; options written inside a component stand under the component's place (`sinks[0].postgres`). */
  readonly connections: Readonly<Record<string, ConnectionUse>>;
  readonly vars: Readonly<Record<string, unknown>>;
  /** Values that must never be printed, for redaction. */
  readonly secrets: readonly string[];
}
