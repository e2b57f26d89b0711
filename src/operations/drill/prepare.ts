/** What a drill of a pipeline would do, and what it can't. */
import type { KafkaAdmin } from '../../connections/kafka/admin.ts';
import { parseDuration } from '../../declaration/units.ts';
import type { PipelineDefinition } from '../../definition/pipeline.ts';
import { topicsOf } from '../../definition/topics.ts';
import { type FaultName, faultNames } from './faults.ts';
import type { Skipped } from './report.ts';
import { brokersOf, type Service, sinkServicesOf } from './services.ts';

export interface Intended {
  readonly fault: FaultName;
  /** What is away; null for what happens to a process. */
  readonly service: Service | null;
}

export interface Preparation {
  readonly processes: number;
  /** Why it is but one; null where there are more. */
  readonly whyOne: string | null;
  /** How long a process stands still. */
  readonly freezeMs: number;
  /** Those that proxies stand before. */
  readonly services: readonly Service[];
  readonly faults: readonly Intended[];
  readonly skipped: readonly Skipped[];
}

/** Beyond the session timeout, for the coordinator to notice and the others to take over. */
const freezeGraceMs = 5000;
const freezeAloneMs = 10_000;

/** `asked`: only these; null: all that fit. `kafka` is null where the source is no Kafka. */
export async function prepare(
  definition: PipelineDefinition,
  kafka: KafkaAdmin | null,
  asked: readonly FaultName[] | null,
  isPoisonAllowed: boolean,
): Promise<Preparation> {
  const broker = kafka === null ? null : await brokersOf(definition, kafka);
  const sinks = sinkServicesOf(definition);
  const faults: Intended[] = [];
  const skipped: Skipped[] = [];
  const skip = (fault: FaultName, reason: string): unknown => skipped.push({ fault, reason });
  const isWanted = (fault: FaultName): boolean => asked === null || asked.includes(fault);
  for (const fault of faultNames.filter(isWanted)) {
    switch (fault) {
      case 'kill':
      case 'freeze':
      case 'restart':
        faults.push({ fault, service: null });
        break;
      case 'sink-away':
        for (const service of sinks)
          if ('reason' in service) skip(fault, service.reason);
          else faults.push({ fault, service });
        break;
      case 'broker-away':
        if (broker === null) skip(fault, 'the source is not Kafka');
        else faults.push({ fault, service: broker });
        break;
      case 'poison':
        if (broker === null) skip(fault, 'the source is not Kafka');
        else if (!isPoisonAllowed) skip(fault, 'others may read the source topic too: only with --poison');
        else if (poisonTopicOf(definition) === null) skip(fault, 'the source names its topics by a pattern alone');
        else faults.push({ fault, service: null });
        break;
    }
  }
  const whyOne = await whyOneProcess(definition, kafka);
  return {
    processes: whyOne === null ? 2 : 1,
    whyOne,
    freezeMs: freezeMsOf(definition),
    services: faults.flatMap(({ service }) => service ?? []),
    faults,
    skipped,
  };
}

/** The topic that bad records go to. */
export const poisonTopicOf = ({ sources }: PipelineDefinition): string | null =>
  sources.flatMap(topicsOf).find((topic) => !topic.startsWith('/')) ?? null;

function freezeMsOf({ sources }: PipelineDefinition): number {
  const { session_timeout: session } = sources[0].options as { readonly session_timeout?: string };
  const sessionMs = session === undefined ? undefined : parseDuration(session);
  return sessionMs === undefined ? freezeAloneMs : sessionMs + freezeGraceMs;
}

async function whyOneProcess(definition: PipelineDefinition, kafka: KafkaAdmin | null): Promise<string | null> {
  const { sources, sinks } = definition;
  if (kafka === null) return `a ${sources[0].component} source is read by one process`;
  if ((sources[0].options as { readonly instance?: string }).instance !== undefined)
    return '`instance` names one process, and a second one of that name would stop it';
  if (sinks.some(({ component }) => component === 'file')) return 'a file is written by one process';
  const topics = sources.flatMap(topicsOf);
  if (topics.some((topic) => topic.startsWith('/'))) return null;
  const described = await kafka.describeTopics(topics);
  const partitions = [...described.values()].reduce((sum, topic) => sum + topic.partitions.length, 0);
  return partitions === 1 ? 'there is one partition' : null;
}
