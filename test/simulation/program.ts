/** The pipeline of a run as the engine gets it: reader, steps and routes. What it should give is told by `fold.ts`. */
import type { Program, Route } from '../../src/engine/epoch.ts';
import type { EventRecord, Partition, Sink, Step } from '../../src/engine/ports.ts';
import type { RecordReader, StreamRecord } from '../../src/engine/record.ts';
import { type Event, KEYS, type Scenario, type SinkPlan } from './scenario.ts';

/** One topic, and one source, for every two partitions. */
export const partitionOf = (index: number): Partition => ({
  cluster: 'c',
  topic: `t${Math.floor(index / 2)}`,
  topicId: `id${Math.floor(index / 2)}`,
  partition: index % 2,
  source: `s${Math.floor(index / 2)}`,
});

/** The number of a partition among all of a run. */
export const indexOf = ({ topic, partition }: Partition): number => Number(topic.slice(1)) * 2 + partition;

export const isFiltered = ({ n }: Event): boolean => n % 5 === 0;
/** The step `check` can't process it. */
export const isDead = ({ n }: Event): boolean => n % 13 === 0;
/** The step `check` leaves it out on purpose. */
export const isDropped = ({ n }: Event): boolean => n % 17 === 0;
export const isTaken = ({ n }: Event): boolean => n % 2 === 0;
/** `when` can't be told. */
export const hasNoAnswer = ({ n }: Event): boolean => n % 19 === 0;
/** A constraint of the table. */
export const isRefused = ({ n }: Event): boolean => n % 11 === 0;
/** It has no version. */
export const hasNoVersion = ({ n }: Event): boolean => n % 23 === 0;

/**
 * The key of its row. Only rows that are told apart by `version` may come from any partition; the others are told apart
 * by their order, which a partition alone has.
 */
export const keyOf = ({ versioned }: SinkPlan, { id }: Event): number => (versioned ? id % KEYS : id);

const failure = (code: string) => Object.assign(new Error(`simulated: ${code}`), { code });

const reader: RecordReader = {
  decode: (bytes) => {
    try {
      return JSON.parse((bytes as Buffer).toString()) as unknown;
    } catch {
      throw failure('json_invalid');
    }
  },
  readKey: (key) => key,
  readMeta: () => null,
};

const steps: Record<Scenario['steps'][number], Step> = {
  explode: {
    name: 'explode',
    kind: 'explode',
    expands: true,
    apply: (records, outcomes) =>
      records.flatMap((record) => {
        const { items } = record.event as Required<Event>;
        if (items.length === 0) outcomes.filtered(record);
        return items.map((item, index) => (record as StreamRecord).forElement(index, item));
      }),
  },
  filter: {
    name: 'filter',
    kind: 'filter',
    apply: (records, outcomes) =>
      records.filter((record) => {
        const out = isFiltered(record.event as Event);
        if (out) outcomes.filtered(record);
        return !out;
      }),
  },
  check: {
    name: 'check',
    kind: 'map',
    apply: (records, outcomes) =>
      records.filter((record) => {
        const event = record.event as Event;
        if (isDead(event)) outcomes.dead(record, 'expression_failed', 'simulated');
        else if (isDropped(event)) outcomes.dropped(record, 'missing');
        else return true;
        return false;
      }),
  },
};

function whenOf({ takes }: SinkPlan): Route['when'] {
  if (takes !== 'when') return null;
  return ({ event }) => {
    if (hasNoAnswer(event as Event)) throw failure('expression_failed');
    return isTaken(event as Event);
  };
}

function versionOf({ event }: EventRecord): number {
  if (hasNoVersion(event as Event)) throw failure('version_missing');
  return (event as Event).version;
}

/** What a source does on its own, before its events meet those of the others. */
export const isOwnStep = (name: Scenario['steps'][number]): boolean => name === 'explode';

/** The program of the stage that writes `lane`; `plans` are all sinks there are. */
export function programOf(
  scenario: Scenario,
  plans: readonly SinkPlan[],
  lane: readonly SinkPlan[],
  sinks: readonly Sink[],
): Program {
  const planned = scenario.steps.map((name) => ({ name, stage: `step:${name}`, step: steps[name] }));
  const sources = new Set(scenario.logs.map((_, index) => partitionOf(index).source));
  return {
    inputs: [...sources].map((source) => ({ source, reader, steps: planned.filter(({ name }) => isOwnStep(name)) })),
    steps: planned.filter(({ name }) => !isOwnStep(name)),
    routes: lane.map((plan, i) => ({
      sink: sinks[i]!,
      when: whenOf(plan),
      otherwise: plan.takes === 'otherwise',
      version: plan.versioned ? versionOf : null,
      retry: plan.retry,
    })),
    elsewhere: plans.flatMap((plan) => (lane.includes(plan) ? [] : (whenOf(plan) ?? []))),
    sinkLettersOnly: !lane[0]!.required,
  };
}
