/**
 * `dlq purge`: the values of letters that are closed, removed for data protection. What was done about them stays in their
 * states. A topic gives up its records only from the front, so a closed letter behind an open one has to wait.
 */
import { open } from 'node:fs/promises';
import { openKafkaAdmin } from '../../connections/kafka/admin.ts';
import type { Log } from '../../engine/ports.ts';
import { linesOf } from './file-queue.ts';
import { readDeadLetters, type States } from './list.ts';
import type { DeadLetterPlace } from './queue.ts';
import { type LetterState, type LetterStates, statusOf } from './state.ts';
import type { DeadLetterView } from './view.ts';

export interface Purge {
  /** Letters whose values go. */
  readonly count: number;
  /** Of these, letters another program has put into a topic, for readers we know nothing of. */
  readonly foreign: number;
  /** Letters that may go and can't yet, by what holds them: `partition 0 from offset 12 on (open)`. */
  readonly held: readonly { readonly count: number; readonly by: string }[];
  carryOut(): Promise<void>;
}

const writtenAtOnce = 500;

/** Looks for what was closed before `beforeMs`. */
export async function planPurge(
  place: DeadLetterPlace,
  states: States,
  store: LetterStates,
  beforeMs: number,
  log: Log,
): Promise<Purge> {
  return 'file' in place
    ? purgeFile(place.file, states, store, beforeMs, log)
    : purgeTopic(place, states, store, beforeMs, log);
}

/** Null where it may go, else why it stays. */
function keeps({ id, failedAtMs }: DeadLetterView, states: States, beforeMs: number): string | null {
  const state = states.get(id);
  const status = statusOf(failedAtMs, state);
  if (status === 'open' || status === 'quarantined') return status;
  return Date.parse(state!.at) < beforeMs ? null : `closed at ${state!.at}`;
}

async function noteAll(ids: readonly string[], states: States, store: LetterStates): Promise<void> {
  const purgedAt = new Date().toISOString();
  for (let at = 0; at < ids.length; at += writtenAtOnce) {
    const some = ids.slice(at, at + writtenAtOnce).map((id): LetterState => ({ ...states.get(id)!, purgedAt }));
    await store.write(some);
  }
}

interface Front {
  /** Where the records end that may all go. */
  to: number;
  ids: string[];
  foreign: number;
  heldBy: string | null;
  held: number;
}

async function purgeTopic(
  place: Extract<DeadLetterPlace, { topic: string }>,
  states: States,
  store: LetterStates,
  beforeMs: number,
  log: Log,
): Promise<Purge> {
  const { topic, connection } = place;
  const fronts = new Map<number, Front>();
  await readDeadLetters(place, undefined, log, (view) => {
    const { partition, offset } = view.record.place;
    const front = fronts.get(partition) ?? { to: 0, ids: [], foreign: 0, heldBy: null, held: 0 };
    fronts.set(partition, front);
    const why = keeps(view, states, beforeMs);
    if (why !== null) front.heldBy ??= `partition ${partition} from offset ${offset} on (${why})`;
    else if (front.heldBy !== null) front.held++;
    else {
      front.to = Number(offset) + 1;
      front.ids.push(view.id);
      if (view.writer !== 'pipectl') front.foreign++;
    }
  });
  const going = [...fronts].filter(([, { ids }]) => ids.length > 0);
  return {
    count: going.reduce((sum, [, { ids }]) => sum + ids.length, 0),
    foreign: going.reduce((sum, [, { foreign }]) => sum + foreign, 0),
    held: [...fronts.values()].flatMap(({ held, heldBy }) => (held > 0 ? [{ count: held, by: heldBy! }] : [])),
    async carryOut() {
      const admin = await openKafkaAdmin(connection, log);
      try {
        await admin.deleteRecords(topic, new Map(going.map(([partition, { to }]) => [partition, to])));
      } finally {
        await admin.close();
      }
      for (const [, { ids }] of going) await noteAll(ids, states, store);
    },
  };
}

/** In a file each line can be overwritten where it stands: a pipeline that appends meanwhile is not touched. */
async function purgeFile(
  path: string,
  states: States,
  store: LetterStates,
  beforeMs: number,
  log: Log,
): Promise<Purge> {
  const lines = new Map<number, string>();
  await readDeadLetters({ file: path }, undefined, log, (view) => {
    if (!view.isPurged && keeps(view, states, beforeMs) === null) lines.set(Number(view.record.place.offset), view.id);
  });
  return {
    count: lines.size,
    foreign: 0,
    held: [],
    async carryOut() {
      const handle = await open(path, 'r+');
      try {
        let start = 0;
        let number = 0;
        // One line at a time is read; their lengths in bytes say where each begins.
        for await (const line of linesOf(handle.createReadStream({ start: 0, autoClose: false }))) {
          number++;
          if (lines.has(number)) {
            const bytes = Buffer.from(withoutValue(line.toString('utf8'), line.length));
            await handle.write(bytes, 0, bytes.length, start);
          }
          start += line.length + 1;
        }
        await handle.datasync();
      } finally {
        await handle.close();
      }
      await noteAll([...lines.values()], states, store);
    },
  };
}

/** The same line without key, value and the record's own headers, filled up with blanks to `length` bytes. */
function withoutValue(line: string, length: number): string {
  const { timestamp, headers } = JSON.parse(line) as {
    readonly timestamp: number;
    readonly headers: Readonly<Record<string, unknown>>;
  };
  const own = Object.entries(headers).filter(([name]) => name.startsWith('pipectl-'));
  const lighter = (left: readonly [string, unknown][]): string =>
    JSON.stringify({
      timestamp,
      headers: { ...Object.fromEntries(left), 'pipectl-payload': 'purged' },
      key: null,
      value: null,
    });
  const whole = lighter(own);
  // A value shorter than what says that it was removed: the hash of the pipeline makes room for it.
  const text =
    Buffer.byteLength(whole) <= length ? whole : lighter(own.filter(([name]) => name !== 'pipectl-pipeline-hash'));
  return text + ' '.repeat(Math.max(0, length - Buffer.byteLength(text)));
}
