/** What a run must come to: a plain fold of the input, record by record, that knows nothing of epochs or members. */
import { hasNoAnswer, hasNoVersion, isDead, isDropped, isFiltered, isRefused, isTaken } from './program.ts';
import type { Event, Scenario, SinkName, SinkPlan } from './scenario.ts';

/** One row of a sink, named `partition:offset:element`. */
export interface ExpectedRow {
  readonly id: string;
  readonly event: Event;
}

/** What one record comes to at one sink. */
export interface Fate {
  readonly offset: number;
  readonly rows: readonly ExpectedRow[];
  /** `row id:stage`, those of decode and steps included. */
  readonly letters: readonly string[];
}

/** Per sink and partition, in offset order. */
export type Fates = ReadonlyMap<SinkName, readonly (readonly Fate[])[]>;

export const foldInput = (scenario: Scenario): Fates =>
  new Map(
    scenario.sinks.map((sink) => [
      sink.name,
      scenario.logs.map(({ records }, partition) =>
        records.map(({ offset, value }) => foldRecord(scenario, sink, partition, offset, String(value))),
      ),
    ]),
  );

function foldRecord(scenario: Scenario, sink: SinkPlan, partition: number, offset: number, text: string): Fate {
  // Where decode and steps fail is for the stage of the required sinks to tell.
  const { required } = sink;
  if (text === '{broken') return { offset, rows: [], letters: required ? [`${partition}:${offset}::decode`] : [] };
  const whole = JSON.parse(text) as Required<Event>;
  const rows: ExpectedRow[] = [];
  const letters: string[] = [];
  const elements = scenario.steps.includes('explode') ? whole.items : [whole];
  for (const [index, event] of elements.entries()) {
    const id = `${partition}:${offset}:${elements === whole.items ? index : ''}`;
    if (scenario.steps.includes('filter') && isFiltered(event)) continue;
    if (scenario.steps.includes('check') && isDead(event)) {
      if (required) letters.push(`${id}:step:check`);
      continue;
    }
    if (scenario.steps.includes('check') && isDropped(event)) continue;
    const end = endAtSink(scenario, sink, event);
    if (end === 'row') rows.push({ id, event });
    else if (end === 'rejected') letters.push(`${id}:sink:${sink.name}`);
  }
  return { offset, rows, letters };
}

function endAtSink({ sinks }: Scenario, sink: SinkPlan, event: Event): 'row' | 'rejected' | 'excluded' {
  if (sink.takes === 'when' && hasNoAnswer(event)) return 'rejected';
  if (sink.takes === 'when' && !isTaken(event)) return 'excluded';
  // Who has an answer of its own, or can't tell, keeps it from the sink that takes the rest.
  const others = sinks.some(({ takes }) => takes === 'when');
  if (sink.takes === 'otherwise' && others && (isTaken(event) || hasNoAnswer(event))) return 'excluded';
  if (sink.versioned && hasNoVersion(event)) return 'rejected';
  return sink.storesPositions && isRefused(event) ? 'rejected' : 'row';
}
