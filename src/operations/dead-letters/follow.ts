/** Keeps the counts of a queue up to date: reads its letters and their states once, and from then on what is new. */
import { readQueuedLine } from './file-queue.ts';
import { LetterCounts } from './letter-counts.ts';
import { type LetterState, readState, stateFile, stateTopic } from './state.ts';
import { FileTail, type Tail, type TopicReader, TopicTail } from './tail.ts';
import { type LetterSeen, seeLetter } from './view.ts';

/** Asked after each letter and state: reading goes on when it resolves, and ends with what it rejects with. */
export type Pace = (bytes: number) => void | Promise<void>;

export class LetterFollower {
  readonly #letters: Tail<LetterSeen>;
  readonly #states: Tail<LetterState>;
  #counts = new LetterCounts();
  #isWhole = false;

  constructor(letters: Tail<LetterSeen>, states: Tail<LetterState>) {
    this.#letters = letters;
    this.#states = states;
  }

  static ofFile(path: string): LetterFollower {
    return new LetterFollower(
      new FileTail(path, (line, number) => {
        const record = readQueuedLine(line, path, number);
        return record && seeLetter(record);
      }),
      new FileTail(stateFile(path), readState),
    );
  }

  /** `admin` is asked at each look; who gives it closes it. */
  static ofTopic(topic: string, admin: () => Promise<TopicReader>): LetterFollower {
    return new LetterFollower(
      new TopicTail(topic, admin, ({ offset, timestampMs, key, value, headers = {} }, partition) =>
        seeLetter({
          place: { queue: topic, partition, offset: String(offset) },
          timestampMs,
          key,
          value,
          headers,
        }),
      ),
      new TopicTail(stateTopic(topic), admin, ({ value }) =>
        value === null ? undefined : readState(Buffer.from(value).toString('utf8')),
      ),
    );
  }

  /** As of the last look; null before everything was read once. */
  get counts(): Pick<LetterCounts, 'whole' | 'ofCause'> | null {
    return this.#isWhole ? this.#counts : null;
  }

  /** Reads what is new. Rejects where it can't; the next look goes on there. */
  async look(pace: Pace): Promise<void> {
    while (!(await this.#readOn(pace))) {
      this.#letters.reset();
      this.#states.reset();
      this.#counts = new LetterCounts();
      this.#isWhole = false;
    }
    this.#isWhole = true;
  }

  /** False where it has to begin anew. A letter is durable before its state, so letters come first. */
  async #readOn(pace: Pace): Promise<boolean> {
    const counts = this.#counts;
    let isRight = true;
    const letters = await this.#letters.readOn({
      onItem(letter, bytes) {
        counts.add(letter);
        return pace(bytes);
      },
      onDeleted(partition, below) {
        isRight = counts.forget(partition, below) && isRight;
      },
    });
    if (letters === 'other' || !isRight) return false;
    const states = await this.#states.readOn({
      onItem(state, bytes) {
        counts.act(state);
        return pace(bytes);
      },
    });
    return states === 'read';
  }
}
