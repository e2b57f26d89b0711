/** Everywhere a pipeline keeps how far it is: the group's offsets and the positions of its sinks. */
import { type KafkaAdmin, openKafkaAdmin } from '../../connections/kafka/admin.ts';
import type { SinkPositions } from '../../declaration/positions.ts';
import { kafkaOptionsOf } from '../../definition/kafka-connection.ts';
import { type AssignedPartition, type Clock, silentLog } from '../../engine/ports.ts';
import { groupsOf } from '../../definition/sink-groups.ts';
import { PipectlError } from '../../errors.ts';
import { componentContexts } from '../../plan/component-context.ts';
import type { Plan } from '../../plan/index.ts';

/** A consumer group and the sinks that are written by its members. */
export interface GroupPlace {
  readonly group: string;
  readonly sinks: readonly SinkPlace[];
}

export interface SinkPlace {
  readonly name: string;
  /** Null where the group's offsets say where it stands. */
  readonly positions: SinkPositions | null;
}

/** Looking at positions takes no time of its own and waits for nothing. */
const clock: Clock = { now: () => Date.now(), sleep: () => Promise.resolve() };

export class Places implements AsyncDisposable {
  readonly sinks: readonly SinkPlace[];
  /** The pipeline's own group first, then that of each sink that is not required. */
  readonly groups: readonly GroupPlace[];
  /** Null where the source is no Kafka. */
  readonly kafka: KafkaAdmin | null;
  readonly #plan: Plan;

  private constructor(plan: Plan, sinks: readonly SinkPlace[], kafka: KafkaAdmin | null) {
    this.#plan = plan;
    this.sinks = sinks;
    this.groups = groupsOf(plan.definition).map(({ group, sink: only }) => ({
      group,
      sinks: sinks.filter(({ name }) =>
        only === null ? plan.sinks.some(({ use }) => use.name === name && use.required) : name === only,
      ),
    }));
    this.kafka = kafka;
  }

  static async open(plan: Plan): Promise<Places> {
    const context = componentContexts(plan, { clock, random: Math.random, log: silentLog });
    const { definition } = plan;
    const isFromKafka = definition.sources[0].component === 'kafka';
    const kafka = isFromKafka ? await openKafkaAdmin(kafkaOptionsOf(definition), silentLog) : null;
    const sinks = await Promise.all(
      plan.sinks.map(async ({ use, declaration }) => ({
        name: use.name,
        positions: (await declaration.positions?.(use.options as never, context(use.name))) ?? null,
      })),
    );
    return new Places(plan, sinks, kafka);
  }

  /** What there is to read now. `initial` of a partition is where `start` (earliest, latest, a time) lies. */
  async partitions(start: string): Promise<readonly AssignedPartition[]> {
    const { inputs, definition } = this.#plan;
    const { group, vars } = definition;
    const context = componentContexts(this.#plan, { clock, random: Math.random, log: silentLog });
    const found: AssignedPartition[] = [];
    for (const { use, declaration } of inputs) {
      const options = { ...(use.options as object), start };
      const detached = { ...context(use.name), group, vars, untilEnd: false, detached: true };
      const source = await declaration.create(options as never, detached);
      try {
        await source.start();
        const event = await source.next({ recordsMax: 1, bytesMax: 1 });
        if (event.kind !== 'assigned') throw new Error(`${use.component} gave ${event.kind} before its partitions`);
        found.push(...event.assignment.partitions);
      } finally {
        await source.close();
      }
    }
    return found;
  }

  /** Rejects with `group_not_empty`, which says who runs. Without Kafka nobody knows. */
  async refuseMembers(doing: string): Promise<void> {
    for (const { group } of this.groups) await this.#refuseMembersOf(group, doing);
  }

  async #refuseMembersOf(group: string, doing: string): Promise<void> {
    const { members } = (await this.kafka?.groupDescription(group)) ?? { members: [] };
    if (members.length === 0) return;
    const who = members.map(({ clientId, clientHost, assignment }) => {
      const owned = [...assignment].map(([topic, partitions]) => `${topic} ${partitions.join(', ')}`);
      const name = `${clientId} at ${clientHost.replace(/^\//, '')}`.replaceAll(/\p{Cc}/gu, '?');
      return `  ${name}${owned.length === 0 ? '' : `, owner of ${owned.join('; ')}`}`;
    });
    throw new PipectlError(
      'group_not_empty',
      `group ${group} has ${members.length === 1 ? 'a member' : `${members.length} members`}, so nothing was ${doing}:\n${who.join('\n')}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.kafka?.close(), ...this.sinks.map(({ positions }) => positions?.close())]);
  }
}
