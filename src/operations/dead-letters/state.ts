/**
 * What became of dead letters: a compacted topic beside the queue (or a file beside a queue in a file), one record for
 * each letter that somebody has acted on. Operators share it, and it outlives the values of the letters.
 */
import { constants, open, readFile } from 'node:fs/promises';
import type { ProducerMessage } from '../../connections/kafka/producer.ts';
import type { Log } from '../../engine/ports.ts';
import type { ReplayEnd } from '../../engine/replay.ts';
import { errorTable, PipectlError } from '../../errors.ts';
import type { DeadLetterPlace } from './queue.ts';
import type { DeadLetterView } from './view.ts';

/**
 * `replayed`: it came to a good end. `resolved`: closed by somebody. `quarantined`: it failed too often to be replayed
 * without force. `open` is also every letter without a state.
 */
export type LetterStatus = 'open' | 'replayed' | 'resolved' | 'quarantined';

/** One act: who, when and why. */
export interface LetterAct {
  readonly status: LetterStatus;
  /** ISO 8601. */
  readonly at: string;
  readonly by: string;
  readonly note: string | null;
  /** Of a replay. `sent`: its record is in its topic again. `refused`: it could not be replayed, for the reason. */
  readonly end?: ReplayEnd | 'sent' | 'refused';
  readonly reason?: string;
  /** Of which call of `dlq replay` it is the answer. */
  readonly run?: string;
  /** What was changed in the copy that was replayed: `qty=3`. */
  readonly edits?: readonly string[];
}

export interface LetterState extends LetterAct {
  readonly id: string;
  /** When the letter that is meant failed: one that fails after that is open again. ISO 8601. */
  readonly failedAt: string;
  /** How often its record has failed. */
  readonly attempts: number;
  readonly fingerprint: string;
  readonly stage: string | null;
  readonly code: string | null;
  readonly source: { readonly topic: string | null; readonly partition: number | null; readonly offset: string | null };
  /** When its value was removed from the queue. */
  readonly purgedAt?: string;
  /** Former acts, the newest first. */
  readonly history: readonly LetterAct[];
}

const historyMax = 20;

/** A record that has failed this often needs force. */
export const attemptsMax = 3;

/** What stands after an act. */
export function afterAct(
  letter: Pick<DeadLetterView, 'id' | 'fingerprint' | 'stage' | 'code' | 'source' | 'attempts' | 'failedAtMs'>,
  former: LetterState | undefined,
  act: LetterAct & { readonly attempts?: number },
): LetterState {
  const { topic, partition, offset } = letter.source;
  const { attempts = Math.max(letter.attempts ?? 1, former?.attempts ?? 1), ...done } = act;
  return {
    ...done,
    id: letter.id,
    failedAt: new Date(letter.failedAtMs).toISOString(),
    attempts,
    fingerprint: letter.fingerprint,
    stage: letter.stage,
    code: letter.code,
    source: { topic, partition, offset },
    history: former === undefined ? [] : [actOf(former), ...former.history].slice(0, historyMax),
  };
}

const actOf = ({ status, at, by, note, end, reason, edits }: LetterState): LetterAct => ({
  status,
  at,
  by,
  note,
  ...(end && { end }),
  ...(reason && { reason }),
  ...(edits && { edits }),
});

/** A letter that failed after what its state speaks of is open again; one in quarantine stays there. */
export function statusOf(failedAtMs: number, state: LetterState | undefined): LetterStatus {
  return state === undefined ? 'open' : statusAfter(failedAtMs, state.status, Date.parse(state.failedAt));
}

/** The same, of a state that says `status` of a letter that failed at `stateFailedAtMs`. */
export function statusAfter(failedAtMs: number, status: LetterStatus, stateFailedAtMs: number): LetterStatus {
  if (status === 'quarantined') return 'quarantined';
  return failedAtMs > stateFailedAtMs ? 'open' : status;
}

export interface LetterStates {
  /** All there are, by the letter's id. */
  read(): Promise<Map<string, LetterState>>;
  /** Makes the place for them where there is none. */
  prepare(): Promise<void>;
  /** Resolves when they are durable. */
  write(states: readonly LetterState[]): Promise<void>;
  /** Never rejects. */
  close(): Promise<void>;
}

/** `orders.dlq.state`, or `orders.dlq.state.ndjson` beside `orders.dlq.ndjson`. */
export const statePlace = (place: DeadLetterPlace): string =>
  'file' in place ? stateFile(place.file) : stateTopic(place.topic);
export const stateFile = (path: string): string => `${path.replace(/\.ndjson$/, '')}.state.ndjson`;
export const stateTopic = (topic: string): string => `${topic}.state`;

/** Connects with the first use. */
export function letterStates(place: DeadLetterPlace, log: Log): LetterStates {
  const name = statePlace(place);
  return 'file' in place ? new FileStates(name) : new TopicStates(name, place.connection, log);
}

class FileStates implements LetterStates {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<Map<string, LetterState>> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
      throw unreadable(this.#path, error);
    }
    const states = text.split('\n').flatMap((line) => readState(line) ?? []);
    return new Map(states.map((state) => [state.id, state]));
  }

  prepare = () => Promise.resolve();

  async write(states: readonly LetterState[]): Promise<void> {
    const handle = await open(this.#path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o600);
    try {
      // A line of its own behind what a crash has left half written; an empty line is nothing.
      await handle.appendFile(`\n${states.map((state) => JSON.stringify(state)).join('\n')}\n`);
      await handle.datasync();
    } finally {
      await handle.close();
    }
  }

  close = () => Promise.resolve();
}

class TopicStates implements LetterStates {
  readonly #topic: string;
  readonly #connection: Readonly<Record<string, unknown>>;
  readonly #log: Log;
  #isThere = false;
  #producer: Promise<import('../../connections/kafka/producer.ts').KafkaProducer> | null = null;

  constructor(topic: string, connection: Readonly<Record<string, unknown>>, log: Log) {
    this.#topic = topic;
    this.#connection = connection;
    this.#log = log;
  }

  async read(): Promise<Map<string, LetterState>> {
    const states = new Map<string, LetterState>();
    const admin = await this.#admin();
    try {
      if (!(await admin.describeTopics([this.#topic])).has(this.#topic)) return states;
      this.#isThere = true;
      await admin.readTopic(this.#topic, {
        onRecord: ({ value }) => {
          const state = value === null ? undefined : readState(Buffer.from(value).toString('utf8'));
          if (state !== undefined) states.set(state.id, state);
        },
      });
    } finally {
      await admin.close();
    }
    return states;
  }

  async prepare(): Promise<void> {
    if (!this.#isThere) await this.#create();
  }

  async write(states: readonly LetterState[]): Promise<void> {
    if (states.length === 0) return;
    await this.prepare();
    const { openKafkaProducer } = await import('../../connections/kafka/producer.ts');
    this.#producer ??= Promise.resolve(openKafkaProducer(this.#connection, this.#log));
    const producer = await this.#producer;
    await producer.produceAll(this.#topic, states.map(stateMessage));
  }

  async close(): Promise<void> {
    await (await this.#producer)?.close();
  }

  async #create(): Promise<void> {
    const admin = await this.#admin();
    try {
      // Asked first: who may write to a topic that is there need not be allowed to create one.
      if (!(await admin.describeTopics([this.#topic])).has(this.#topic))
        await admin.createTopic({ topic: this.#topic, config: { 'cleanup.policy': 'compact' } });
      this.#isThere = true;
    } finally {
      await admin.close();
    }
  }

  async #admin() {
    const { openKafkaAdmin } = await import('../../connections/kafka/admin.ts');
    return openKafkaAdmin(this.#connection, this.#log);
  }
}

/** A state as it stands in a topic. */
export const stateMessage = (state: LetterState): ProducerMessage => ({
  key: Buffer.from(state.id),
  value: Buffer.from(JSON.stringify(state)),
  headers: {},
});

/** Undefined for what is no state: a line a crash cut off, or somebody else's record. */
export function readState(text: string): LetterState | undefined {
  try {
    const state = JSON.parse(text) as LetterState | null;
    const isState = typeof state?.id === 'string' && typeof state.failedAt === 'string' && Array.isArray(state.history);
    return isState ? state : undefined;
  } catch {
    return undefined;
  }
}

const unreadable = (path: string, cause: unknown): PipectlError =>
  new PipectlError('file_unreadable', `${path} can't be read: ${(cause as Error).message}`, {
    hint: errorTable.file_unreadable.hint,
    cause,
  });
