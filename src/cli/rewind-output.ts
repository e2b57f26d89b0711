/** What `rewind` shows before it moves anything. */
import type { MovedPlace, Move, Rewind } from '../operations/positions/rewind.ts';
import { formatCount } from '../view/format.ts';
import { type Column, table } from './table.ts';

interface Line {
  readonly place: string;
  readonly move: Move;
}

const columns: readonly Column<Line>[] = [
  { title: 'WHERE', align: 'left', cell: ({ place }) => place },
  { title: 'TOPIC', align: 'left', cell: ({ move }) => move.partition.topic },
  { title: 'PARTITION', align: 'right', cell: ({ move }) => String(move.partition.partition) },
  { title: 'FROM', align: 'right', cell: ({ move }) => (move.from === null ? '-' : String(move.from)) },
  { title: 'TO', align: 'right', cell: ({ move }) => String(move.to) },
  { title: 'AGAIN', align: 'right', cell: ({ move }) => formatCount(move.again) },
  { title: 'NEVER', align: 'right', cell: ({ move }) => formatCount(move.skipped) },
];

/** A table of all partitions that move, and what it means in sentences. */
export function rewindText({ places, again, skipped, isNothing }: Rewind): string {
  if (isNothing) return 'Everything stands there already: nothing to move.\n';
  if (places.length === 0) return 'The sinks stand there already: only the offsets of the group are set.\n';
  const nameOf = ({ sink, group }: MovedPlace): string => (sink === null ? `group ${group}` : `sink ${sink}`);
  const lines = places.flatMap((place) =>
    place.moves.filter(({ from, to }) => from !== to).map((move) => ({ place: nameOf(place), move })),
  );
  const sentences = places.flatMap((place) => [
    ...place.replaced.map(
      ({ topic, topicId, partition, position }) =>
        `${nameOf(place)} forgets position ${position} of ${topic} partition ${partition} in another log (topic id ${topicId}).`,
    ),
    ...(place.appends && place.moves.some((move) => move.again > 0)
      ? [`${nameOf(place)} adds a row for each event: what is read again is written a second time.`]
      : []),
  ]);
  if (again > 0) sentences.push(`Up to ${formatCount(again)} records are read again.`);
  if (skipped > 0) sentences.push(`Up to ${formatCount(skipped)} records are never written.`);
  return `${lines.length === 0 ? '' : `${table(columns, lines)}\n`}${sentences.join('\n')}${sentences.length === 0 ? '' : '\n'}`;
}

/** One object; offsets are texts, since they may be beyond what JSON readers hold exactly. */
export function rewindJson({ places, again, skipped }: Rewind): string {
  const shown = {
    again,
    skipped,
    places: places.map(({ group, sink, appends, moves, replaced }) => ({
      group,
      sink,
      appends,
      moves: moves.map(({ partition: { topic, topicId, partition }, from, to, ...counts }) => ({
        topic,
        topicId,
        partition,
        from: from === null ? null : String(from),
        to: String(to),
        ...counts,
      })),
      forgotten: replaced.map(({ topic, topicId, partition, position }) => ({
        topic,
        topicId,
        partition,
        position: String(position),
      })),
    })),
  };
  return `${JSON.stringify(shown, null, 2)}\n`;
}
