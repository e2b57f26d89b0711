/** What stands in each panel: in which order, what a filter finds, and what a line says when it is copied. */
import { runbookCommand, runbookFor } from '../../runtime/runbooks.ts';
import type {
  DeadLetterCause,
  PartitionStatus,
  SinkStatus,
  StageStatus,
  StatusEvent,
  StatusSnapshot,
} from '../../runtime/status.ts';
import { formatChange, formatClock, formatCount, formatDuration, formatRate, formatRateWithUnit } from '../format.ts';
import { hasSeveralTopics, partitionName, worstFirst } from '../verdict.ts';
import type { Panel } from './layout.ts';

export interface Items {
  readonly stages: StageStatus;
  readonly partitions: PartitionStatus;
  readonly sinks: SinkStatus;
  readonly deadLetters: DeadLetterCause;
  readonly events: StatusEvent;
}

/** How a panel is to be ordered. */
export interface Sorting {
  /** Index into the orders of the panel. */
  readonly by: number;
  readonly reversed: boolean;
}

/** What a reader has asked the lists for. */
export interface Listing {
  /** Only lines with this text; of the panel with the focus. */
  readonly filter: string;
  readonly focus: Panel | null;
  readonly sortings: Readonly<Partial<Record<Panel, Sorting>>>;
}

interface Order<Item> {
  readonly name: string;
  readonly sorted: (items: readonly Item[]) => readonly Item[];
}

interface List<Item> {
  readonly of: (snapshot: StatusSnapshot) => readonly Item[];
  /** The same for the same thing in another snapshot. */
  readonly id: (item: Item) => string;
  readonly text: (item: Item, snapshot: StatusSnapshot) => string;
  readonly orders: readonly [Order<Item>, ...Order<Item>[]];
}

const asGiven = <Item>(name: string): Order<Item> => ({ name, sorted: (items) => items });

/** The largest first; what is unknown comes first, since it may be the largest. */
const largest = <Item>(name: string, number: (item: Item) => number | null): Order<Item> => ({
  name,
  sorted: (items) => items.toSorted((a, b) => (number(b) ?? Infinity) - (number(a) ?? Infinity) || 0),
});

const troubled = largest<SinkStatus>('trouble', ({ state }) => (state === 'OK' ? 0 : 1));

const LISTS: { readonly [P in Panel]: List<Items[P]> } = {
  stages: {
    of: ({ stages }) => stages,
    id: ({ name }) => name,
    text: ({ name, inPerSecond, outPerSecond, deadPerSecond }) =>
      `${name}  in ${formatRate(inPerSecond)}/s  out ${formatRate(outPerSecond)}/s  dead ${formatRate(deadPerSecond)}/s`,
    orders: [
      asGiven('the way of a record'),
      largest('busy', ({ busy }) => busy),
      largest('dead', ({ deadPerSecond }) => deadPerSecond ?? 0),
      largest('filtered', ({ filteredPerSecond }) => filteredPerSecond ?? 0),
    ],
  },
  partitions: {
    of: ({ partitions }) => partitions,
    id: ({ topic, partition }) => `${topic} ${partition}`,
    text: (item, { partitions }) =>
      [
        partitionName(item, hasSeveralTopics(partitions)),
        item.owner,
        `lag ${formatCount(item.lag)} (${formatChange(item.lagChangePerSecond)}/s)`,
        `behind ${formatDuration(item.behindMs)}`,
        `in ${formatRate(item.inPerSecond)}/s`,
        `${item.verdict} ${item.note}`.trim(),
      ].join('  '),
    orders: [
      { name: 'worst', sorted: worstFirst },
      largest('lag', ({ lag }) => lag),
      largest('change', ({ lagChangePerSecond }) => lagChangePerSecond),
      largest('behind', ({ behindMs }) => behindMs),
      largest('in/s', ({ inPerSecond }) => inPerSecond),
      {
        name: 'partition',
        sorted: (items) => items.toSorted((a, b) => a.topic.localeCompare(b.topic) || a.partition - b.partition),
      },
    ],
  },
  sinks: {
    of: ({ sinks }) => sinks,
    id: ({ name }) => name,
    text: ({ name, rowsPerSecond, behindRows, state, note }) =>
      `${name}  ${formatRate(rowsPerSecond)} rows/s  behind ${formatCount(behindRows)}  ${`${state} ${note}`.trim()}`,
    orders: [
      // Three are always shown; where there are more, what is wrong must be among them.
      { name: 'the file', sorted: (items) => (items.length > 3 ? troubled.sorted(items) : items) },
      troubled,
      largest('rows', ({ rowsPerSecond }) => rowsPerSecond),
      largest('behind', ({ behindRows }) => behindRows),
      largest('write p95', ({ writeP95Ms }) => writeP95Ms ?? 0),
    ],
  },
  deadLetters: {
    of: ({ deadLetters }) => deadLetters.causes,
    id: ({ fingerprint }) => fingerprint,
    text: ({ fingerprint, count, perSecond, stage, code, message }) =>
      `${fingerprint}  ${formatCount(count)}  ${formatRateWithUnit(perSecond)}  ${stage}  ${code}  ${message}`,
    orders: [
      {
        name: 'growth',
        sorted: (items) => items.toSorted((a, b) => b.perSecond - a.perSecond || b.count - a.count),
      },
      largest('count', ({ count }) => count),
      largest('last', ({ lastAtMs }) => lastAtMs),
    ],
  },
  events: {
    of: ({ events }) => events,
    id: ({ atMs, code, message }) => `${atMs} ${code} ${message}`,
    text: ({ atMs, level, code, message }, snapshot) => {
      const runbook = level === 'info' ? null : runbookFor(code);
      const hint = runbook === null ? '' : `  ${runbookCommand(runbook)}`;
      return `${formatClock(atMs, snapshot.atMs)} ${level} ${code} ${message}${hint}`;
    },
    orders: [asGiven('newest'), largest('level', ({ level }) => ['info', 'warn', 'error'].indexOf(level))],
  },
};

/** What stands in a panel, in its order and filtered. */
export function itemsIn<P extends Panel>(panel: P, snapshot: StatusSnapshot, listing: Listing): readonly Items[P][] {
  const list: List<Items[P]> = LISTS[panel];
  const { by, reversed } = sortingOf(panel, listing);
  const wanted = listing.focus === panel ? listing.filter.toLowerCase() : '';
  const found = list
    .of(snapshot)
    .filter((item) => wanted === '' || list.text(item, snapshot).toLowerCase().includes(wanted));
  const sorted = (list.orders[by] ?? list.orders[0]).sorted(found);
  return reversed ? sorted.toReversed() : sorted;
}

export const idOf = <P extends Panel>(panel: P, item: Items[P]): string => {
  const list: List<Items[P]> = LISTS[panel];
  return list.id(item);
};

/** A line as it is copied. */
export const textOf = <P extends Panel>(panel: P, item: Items[P], snapshot: StatusSnapshot): string => {
  const list: List<Items[P]> = LISTS[panel];
  return list.text(item, snapshot);
};

export const sortingOf = (panel: Panel, { sortings }: Listing): Sorting =>
  sortings[panel] ?? { by: 0, reversed: false };

/** Of the panel with the next order. */
export function nextSorting(panel: Panel, listing: Listing): Sorting {
  const { by, reversed } = sortingOf(panel, listing);
  return { by: (by + 1) % LISTS[panel].orders.length, reversed };
}

/** `by lag, filter p5`: how the list differs from what it is by itself; empty where it does not. */
export function listingWords(panel: Panel, listing: Listing): string {
  const { by, reversed } = sortingOf(panel, listing);
  const order = by === 0 && !reversed ? [] : [`by ${LISTS[panel].orders[by]!.name}${reversed ? ' reversed' : ''}`];
  const filter = listing.focus === panel && listing.filter !== '' ? [`only ${listing.filter}`] : [];
  return [...order, ...filter].join(', ');
}
