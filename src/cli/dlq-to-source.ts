/** `pipectl dlq replay --to source`: says what it means, asks, and sends. */
import { topicsOf, takesIn } from '../definition/topics.ts';
import { exitCodes, PipectlError } from '../errors.ts';
import type { Selection } from '../operations/dead-letters/select.ts';
import type { ToSourceOptions } from '../operations/dead-letters/to-source.ts';
import type { ReplayTally } from '../operations/dead-letters/tally.ts';
import type { Plan } from '../plan/index.ts';
import { confirmed } from './confirm.ts';

interface ToSource extends Omit<ToSourceOptions, 'takes'> {
  /** Null where only the queue is known. */
  readonly plan: Plan | null;
  readonly selection: Selection;
  readonly isConfirmed: boolean;
}

/** Null where the answer was no. */
export async function toSource({ plan, selection, isConfirmed, ...given }: ToSource): Promise<ReplayTally | null> {
  const [{ sendToSource }, { ProducerFenced, TransactionLost }] = await Promise.all([
    import('../operations/dead-letters/to-source.ts'),
    import('../connections/kafka/producer.ts'),
  ]);
  const options = { ...given, takes: topicsTaken(plan, given.place.topic) };
  if (options.isTrial) return await sendToSource(selection, options);
  const { topics } = await sendToSource(selection, { ...options, isTrial: true });
  if (topics.size > 0) {
    for (const line of meaning(topics, plan)) process.stderr.write(`pipectl: ${line}\n`);
    if (!(await confirmed('Send them back?', isConfirmed))) return null;
  }
  try {
    return await sendToSource(selection, options);
  } catch (error) {
    if (error instanceof ProducerFenced)
      throw new PipectlError(
        'replay_taken_over',
        `somebody else sends the letters of ${options.place.topic} back now`,
        {
          cause: error,
        },
      );
    if (error instanceof TransactionLost)
      throw new PipectlError('kafka_unreachable', error.message, {
        cause: error,
        hint: 'what was sent by then is noted: run it again for the rest',
        exitCode: exitCodes.unreachable,
      });
    throw error;
  }
}

/** The topics a pipeline reads; without one, all that are no queue and not Kafka's own. */
function topicsTaken(plan: Plan | null, queue: string): (topic: string) => boolean {
  if (plan === null) return (topic) => topic !== queue && topic !== `${queue}.state` && !topic.startsWith('__');
  const read = plan.definition.sources.flatMap(topicsOf);
  return (topic) => read.some((named) => takesIn(named, topic));
}

function meaning(topics: ReadonlyMap<string, number>, plan: Plan | null): readonly string[] {
  const counts = [...topics].map(([topic, count]) => `${count.toLocaleString('en')} into ${topic}`).join(', ');
  const sinks = (plan?.sinks ?? []).map(({ use }) => ({
    name: use.name,
    isReplaced: (use.options as { readonly mode?: string }).mode === 'upsert',
    isVersioned: use.version !== undefined,
  }));
  const names = (of: typeof sinks): string => of.map(({ name }) => name).join(', ');
  const replaced = sinks.filter(({ isReplaced, isVersioned }) => isReplaced && !isVersioned);
  const added = sinks.filter(({ isReplaced }) => !isReplaced);
  return [
    `records are written again: ${counts}; every consumer group of the topic reads them again, at new offsets`,
    ...(plan === null
      ? ['a group that keeps the newest row by its offset replaces a newer row with such an older record']
      : []),
    ...(replaced.length > 0
      ? [`${names(replaced)} has no \`version:\`: an older record replaces a newer row, since its offset is higher now`]
      : []),
    ...(added.length > 0 ? [`${names(added)} adds rows: it gets one more for each record it has taken before`] : []),
  ];
}
