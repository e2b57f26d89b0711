/** What becomes of rows that can't be written: `required` and `retry` beside a sink, and the breaker of the dead letters. */
import { parseDuration } from '../declaration/units.ts';
import type { BreakerLimits } from '../engine/breaker.ts';
import type { RetryPolicy } from '../engine/epoch.ts';
import { isMapping } from './json-schema.ts';
import type { SinkUse, ValuePath } from './pipeline.ts';
import type { ProblemList } from './problems.ts';

/** From a sink's entry at `path`, checked against its schema. */
export function deliveryUse(
  { required, retry: given }: Readonly<Record<string, unknown>>,
  path: ValuePath,
  problems: ProblemList,
): Pick<SinkUse, 'required' | 'retry'> {
  const isRequired = required !== false;
  const retry: RetryPolicy = { action: 'wait' };
  if (!isMapping(given)) return { required: isRequired, retry };
  const at = [...path, 'retry'];
  const { for: text, then } = given;
  if (text !== undefined && then !== 'dlq' && then !== 'stop') {
    problems.at([...at, 'for'], 'option_conflict', 'the sink is waited for without end, whatever `for` says', {
      severity: 'warning',
      on: 'key',
      hint: 'say what comes after it, `then: dlq` or `then: stop`, or leave `for` out',
    });
  }
  if (then !== 'dlq' && then !== 'stop') return { required: isRequired, retry };
  if (text === undefined) {
    problems.at([...at, 'then'], 'option_missing', `\`then: ${then}\` does not say after how long`, {
      hint: `add it: retry: { for: 10m, then: ${then} }`,
    });
  }
  if (then === 'stop' && !isRequired) {
    problems.at([...at, 'then'], 'option_conflict', 'a sink that is not required never stops the others', {
      hint: 'use `then: dlq` or `then: wait`, or make the sink required',
    });
  }
  return { required: isRequired, retry: { action: then, forMs: parseDuration(String(text)) ?? 0 } };
}

/** The position of the pipeline, and its dead letters of decode and steps, are those of its required sinks. */
export function checkRequired(sinks: readonly (SinkUse | null)[], problems: ProblemList): void {
  const [first] = sinks;
  if (first === undefined || sinks.some((sink) => sink === null || sink.required)) return;
  problems.at([...first!.path.slice(0, -1), 'required'], 'sinks_all_optional', 'no sink of this pipeline is required', {
    hint: 'leave `required: false` out at the one that matters most',
  });
}

const defaultBreaker: BreakerLimits = { ratio: 0.2, overMs: 60_000, min: 100 };

/** From `dlq:`, checked against its schema; null where it is off. */
export function breakerLimits(dlq: unknown): BreakerLimits | null {
  const breaker = isMapping(dlq) ? dlq.breaker : undefined;
  if (breaker === 'off') return null;
  if (!isMapping(breaker)) return defaultBreaker;
  const { ratio, over, min } = breaker;
  return {
    ratio: typeof ratio === 'number' ? ratio : defaultBreaker.ratio,
    overMs: (typeof over === 'string' ? parseDuration(over) : undefined) || defaultBreaker.overMs,
    min: typeof min === 'number' ? min : defaultBreaker.min,
  };
}
