/** `alerts:` of a pipeline file: when somebody is to be told, and how. */
import { duration, rate, secret } from '../declaration/options.ts';
import { Type } from '../declaration/type.ts';
import { parseDuration, parseRate } from '../declaration/units.ts';
import { isMapping } from './json-schema.ts';
import type { ValuePath } from './pipeline.ts';
import type { ProblemList } from './problems.ts';

const held = Type.Optional(
  duration({
    description: 'For so long it must hold before it fires, and be over before it is resolved. Default: 1m.',
  }),
);

const percentile = (share: string) =>
  Type.Optional(duration({ description: `${share} of the records of the last minute were faster than this.` }));

/** Thresholds under one alert are joined by OR. */
export const alertsSchema = Type.Object(
  {
    lag: Type.Optional(
      Type.Object(
        {
          records: Type.Optional(Type.Number({ minimum: 0, description: 'More records than this wait.' })),
          seconds: Type.Optional(Type.Number({ minimum: 0, description: 'The next record is older than this.' })),
          growth: Type.Optional(rate({ description: 'The lag grows faster than this.' })),
          for: held,
        },
        { description: 'Lag of the group as a whole, and of each partition.' },
      ),
    ),
    dlq: Type.Optional(
      Type.Object(
        {
          growth: Type.Optional(rate({ description: 'More dead letters than this, of all members.' })),
          new: Type.Boolean({ default: false, description: 'Tell every cause that was not seen before.' }),
          for: held,
        },
        { description: 'Dead letters.' },
      ),
    ),
    errors: Type.Optional(
      Type.Object(
        {
          ratio: Type.Number({
            minimum: 0,
            maximum: 1,
            description: 'Larger share of the records became dead letters.',
          }),
          for: held,
        },
        { description: 'Dead letters per record read.' },
      ),
    ),
    latency: Type.Optional(
      Type.Object(
        { p50: percentile('Half'), p95: percentile('95 %'), p99: percentile('99 %'), for: held },
        { description: "From a record's timestamp to the sink's acknowledgement." },
      ),
    ),
    throughput: Type.Optional(
      Type.Object(
        {
          below: Type.Number({
            minimum: 0,
            maximum: 1,
            description: 'Smaller share of the recent rate: 0.5 is half of it.',
          }),
          over: duration({ default: '10m', description: 'How far back the recent rate goes.' }),
          for: held,
        },
        { description: 'Records processed, against what the pipeline itself did a while ago.' },
      ),
    ),
    sinks: Type.Optional(
      Type.Object(
        { down: duration({ description: 'A sink has been away for so long.' }) },
        { description: 'Sinks that are away, each on its own.' },
      ),
    ),
    notify: Type.Optional(
      Type.Array(
        Type.Object(
          {
            webhook: Type.Optional(secret({ description: 'URL that gets each message as JSON, by POST.' })),
            slack: Type.Optional(
              secret({ description: 'URL of an incoming webhook of Slack, or what speaks its form.' }),
            ),
            command: Type.Optional(
              Type.Array(Type.String(), {
                minItems: 1,
                description: 'Program and arguments; without a shell. Gets each message as JSON on its standard input.',
              }),
            ),
            timeout: duration({ default: '10s', description: 'How long one attempt may take.' }),
          },
          { description: 'Who is told: one of webhook, slack and command.' },
        ),
        { description: 'Who is told. Without it alerts stand in the log, the status view and the metrics alone.' },
      ),
    ),
  },
  {
    description:
      'When somebody is to be told. Thresholds under one alert are joined by OR. A breaker that opens, a lag that nears the retention of the topic, and records that are not accounted for are told in any case.',
  },
);

export interface LagThresholds {
  readonly records: number | null;
  readonly seconds: number | null;
  /** Records per second. */
  readonly growth: number | null;
}

export type NotifyTarget = { readonly timeoutMs: number } & (
  | { readonly kind: 'webhook' | 'slack'; readonly url: string }
  | { readonly kind: 'command'; readonly argv: readonly string[] }
);

/** Times in ms, rates per second. */
export interface AlertRules {
  readonly lag: (LagThresholds & { readonly forMs: number }) | null;
  readonly dlq: { readonly growth: number | null; readonly tellsNew: boolean; readonly forMs: number } | null;
  readonly errors: { readonly ratio: number; readonly forMs: number } | null;
  readonly latency: {
    readonly p50Ms: number | null;
    readonly p95Ms: number | null;
    readonly p99Ms: number | null;
    readonly forMs: number;
  } | null;
  readonly throughput: { readonly below: number; readonly overMs: number; readonly forMs: number } | null;
  readonly sinks: { readonly downMs: number } | null;
  readonly notify: readonly NotifyTarget[];
}

const defaultForMs = 60_000;

/** From `alerts:`, checked against its schema; null where there is none. */
export function alertRules(given: unknown, problems: ProblemList): AlertRules | null {
  if (!isMapping(given)) return null;
  const part = (name: string) => (isMapping(given[name]) ? given[name] : null);
  for (const [name, thresholds] of Object.entries(thresholdsOf)) {
    const own = part(name);
    if (own === null || thresholds.some((key) => own[key] !== undefined && own[key] !== false)) continue;
    problems.at(['alerts', name], 'option_missing', `alerts.${name} says no threshold, so it never fires`, {
      on: 'key',
      hint: `add one of ${thresholds.join(', ')}`,
    });
  }
  const [lag, dlq, errors] = [part('lag'), part('dlq'), part('errors')];
  const [latency, throughput, sinks] = [part('latency'), part('throughput'), part('sinks')];
  const list: readonly unknown[] = Array.isArray(given.notify) ? given.notify : [];
  return {
    lag: lag && {
      records: numberIn(lag.records),
      seconds: numberIn(lag.seconds),
      growth: rateIn(lag.growth),
      forMs: durationIn(lag.for) ?? defaultForMs,
    },
    dlq: dlq && {
      growth: rateIn(dlq.growth),
      tellsNew: dlq.new === true,
      forMs: durationIn(dlq.for) ?? defaultForMs,
    },
    errors: errors && { ratio: numberIn(errors.ratio) ?? 1, forMs: durationIn(errors.for) ?? defaultForMs },
    latency: latency && {
      p50Ms: durationIn(latency.p50),
      p95Ms: durationIn(latency.p95),
      p99Ms: durationIn(latency.p99),
      forMs: durationIn(latency.for) ?? defaultForMs,
    },
    throughput: throughput && {
      below: numberIn(throughput.below) ?? 0,
      overMs: durationIn(throughput.over) ?? 600_000,
      forMs: durationIn(throughput.for) ?? defaultForMs,
    },
    sinks: sinks && { downMs: durationIn(sinks.down) ?? defaultForMs },
    notify: list.flatMap((entry, index) => targetOf(entry, ['alerts', 'notify', index], problems) ?? []),
  };
}

const thresholdsOf: Readonly<Record<string, readonly string[]>> = {
  lag: ['records', 'seconds', 'growth'],
  dlq: ['growth', 'new'],
  latency: ['p50', 'p95', 'p99'],
};

const kinds = ['webhook', 'slack', 'command'] as const;

function targetOf(entry: unknown, path: ValuePath, problems: ProblemList): NotifyTarget | null {
  if (!isMapping(entry) || problems.hasErrorsBelow(path)) return null;
  const [kind, ...others] = kinds.filter((name) => entry[name] !== undefined);
  if (kind === undefined || others.length > 0) {
    const [code, message] =
      kind === undefined
        ? (['option_missing', 'this entry names nobody'] as const)
        : (['option_conflict', `this entry names ${kind} and ${others.join(', ')}`] as const);
    problems.at(path, code, message, { hint: 'write one of webhook, slack and command; several are several entries' });
    return null;
  }
  const timeoutMs = durationIn(entry.timeout) ?? 10_000;
  const value = entry[kind];
  if (kind === 'command') return Array.isArray(value) ? { kind, argv: value.map(String), timeoutMs } : null;
  const url = String(value);
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    const hint = 'write an address that begins with https://, as a rule from a variable: ${ALERT_WEBHOOK}';
    problems.at([...path, kind], 'value_wrong', `${kind} is no http or https address`, { hint });
    return null;
  }
  return { kind, url, timeoutMs };
}

const numberIn = (value: unknown): number | null => (typeof value === 'number' ? value : null);
const durationIn = (value: unknown): number | null =>
  typeof value === 'string' ? (parseDuration(value) ?? null) : null;
const rateIn = (value: unknown): number | null => (typeof value === 'string' ? (parseRate(value) ?? null) : null);
