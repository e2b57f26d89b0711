/**
 * Removes what a pipeline has made for itself: its group, the positions of its sinks, and on request its dead-letter topic.
 * The group goes first, since the coordinator refuses that for a group with members. Killed half way it can be run again.
 */
import type { SinkPositions } from '../../declaration/positions.ts';
import type { Plan } from '../../plan/index.ts';
import { replayGroup, replayTopic } from '../dead-letters/request.ts';
import type { Places } from './places.ts';

/** `removed`: by `carryOut`. `kept`: it is there and stays. */
export interface Remnant {
  /** `group orders`, `positions of sink serving`, `topic orders.dlq`, `table ...`. */
  readonly subject: string;
  readonly message: string;
  readonly fate: 'removed' | 'kept';
}

export interface Destruction {
  readonly remnants: readonly Remnant[];
  readonly isNothing: boolean;
  /** Does it. Rejects with `group_not_empty` where members have come meanwhile. */
  carryOut(): Promise<void>;
}

/** Works out what `destroy` would remove and changes nothing. Rejects with `group_not_empty` where members run. */
export async function planDestruction(plan: Plan, places: Places, deadLetters: boolean): Promise<Destruction> {
  await places.refuseMembers('removed');
  const { kafka } = places;
  const { dlq } = plan.definition;
  const remnants: Remnant[] = [];
  const steps: (() => Promise<unknown>)[] = [];
  const add = (subject: string, message: string, remove: (() => Promise<unknown>) | null): void => {
    remnants.push({ subject, message, fate: remove === null ? 'kept' : 'removed' });
    if (remove !== null) steps.push(remove);
  };

  const replays = { group: replayGroup(plan.definition) };
  for (const { group } of kafka === null ? [] : [...places.groups, replays]) {
    if ((await kafka!.groupDescription(group)).state === 'Dead') continue;
    const offsets = await kafka!.groupOffsets(group);
    const count = [...offsets.values()].reduce((sum, partitions) => sum + partitions.size, 0);
    add(`group ${group}`, `offsets of ${counted(count, 'partition')}`, () => kafka!.deleteGroup(group));
  }
  for (const { name, positions } of places.sinks) await addPositions(name, positions, add);
  if ('topic' in dlq && kafka !== null) {
    const addTopic = async (topic: string, noun: string, goes: boolean): Promise<void> => {
      if (!(await kafka.describeTopics([topic])).has(topic)) return;
      const offsets = await kafka.topicOffsets(topic);
      const records = offsets.reduce((sum, { start, end }) => sum + end - start, 0);
      add(`topic ${topic}`, counted(records, noun), goes ? () => kafka.deleteTopic(topic) : null);
    };
    await addTopic(dlq.topic, 'dead letter', deadLetters);
    await addTopic(`${dlq.topic}.state`, 'record', deadLetters);
    await addTopic(replayTopic(plan.definition), 'record', true);
  } else if ('file' in dlq) {
    add(`file ${dlq.file}`, 'dead letters', null);
  }
  return {
    remnants,
    isNothing: steps.length === 0,
    async carryOut() {
      await places.refuseMembers('removed');
      for (const step of steps) await step();
    },
  };
}

async function addPositions(
  name: string,
  positions: SinkPositions | null,
  add: (subject: string, message: string, remove: (() => Promise<unknown>) | null) => void,
): Promise<void> {
  if (positions === null) return;
  const stored = (await positions.list()).filter(({ position }) => position !== null);
  if (stored.length === 0) return;
  add(`positions of sink ${name}`, counted(stored.length, 'partition'), () => positions.remove());
  if (positions.kept !== null) add(positions.kept.subject, positions.kept.message, null);
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
