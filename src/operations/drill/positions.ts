/** Where the sinks stand at the end, against the offsets of their groups. */
import type { Plan } from '../../plan/index.ts';
import { Places } from '../positions/places.ts';
import type { Check } from './report.ts';

const shownMax = 3;

/**
 * Null where there is nothing to compare: no consumer group, or no sink that keeps positions. A group that is ahead of a sink says
 * that rows are written which are not. One that is behind shows less than there is: wrong after a drain in peace, and to be
 * expected (`isQuiet` false) where the processes ended while they still shared out their partitions, as its offsets are a copy.
 */
export async function positionsCheck(plan: Plan, isQuiet: boolean): Promise<Check | null> {
  await using places = await Places.open(plan);
  const { kafka } = places;
  if (kafka === null) return null;
  const cluster = await kafka.clusterId();
  const apart: { readonly text: string; readonly isAhead: boolean }[] = [];
  let compared = 0;
  for (const { group, sinks } of places.groups) {
    const offsets = await kafka.groupOffsets(group);
    const topics = await kafka.describeTopics([...offsets.keys()]);
    for (const { name, positions } of sinks) {
      for (const stored of (await positions?.list()) ?? []) {
        const { topic, partition, position } = stored;
        // Positions of a former log of that name stay until something is written of the new one.
        if (position === null || stored.cluster !== cluster || topics.get(topic)?.topicId !== stored.topicId) continue;
        compared++;
        const offset = offsets.get(topic)?.get(partition) ?? null;
        if (offset === position) continue;
        const text = `${topic} ${partition}: ${name} ${position}, group ${offset ?? 'none'}`;
        apart.push({ text, isAhead: offset !== null && offset > position });
      }
    }
  }
  if (compared === 0) return null;
  const check = 'positions';
  const wrong = apart.filter(({ isAhead }) => isAhead || isQuiet).map(({ text }) => text);
  if (wrong.length > 0) {
    const more = wrong.length > shownMax ? `, and ${wrong.length - shownMax} more` : '';
    return {
      check,
      verdict: 'broken',
      message: `sinks and group stand apart: ${wrong.slice(0, shownMax).join(', ')}${more}`,
    };
  }
  const message =
    apart.length === 0
      ? `positions of the sinks and offsets of the group are equal (${compared})`
      : `no offset of the group lies beyond the position of a sink (${compared}); ${apart.length} lie before it`;
  return { check, verdict: 'held', message };
}
