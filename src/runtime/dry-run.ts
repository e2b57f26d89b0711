/** What takes the place of sinks and dead letters under `--dry-run`: everything is shown, nothing is written. */
import { encodeJson } from '../codecs/json.ts';
import type { DeadLetter, EventRecord, Sink, SinkBatch, WriteResult } from '../engine/ports.ts';
import type { Assembly } from './assemble.ts';

export interface DryRun {
  readonly sink: (name: string) => Sink;
  readonly deadLetters: Assembly['deadLetters'];
}

/** `print` gets one line of JSON for every row a sink would have got, and for every dead letter. */
export function dryRun(print: (line: string) => Promise<void>): DryRun {
  return {
    sink: (name) => new DryRunSink(name, print),
    deadLetters: {
      append: (letters) => print(letters.map((letter) => deadLetterLine(letter)).join('')),
      close: () => Promise.resolve(),
    },
  };
}

class DryRunSink implements Sink {
  readonly name: string;
  readonly storesPositions = false;
  readonly #print: (line: string) => Promise<void>;

  constructor(name: string, print: (line: string) => Promise<void>) {
    this.name = name;
    this.#print = print;
  }

  prepare({ records }: SinkBatch): readonly EventRecord[] {
    return records;
  }

  async write(prepared: unknown): Promise<WriteResult> {
    const records = prepared as readonly EventRecord[];
    await this.#print(records.map(({ event }) => `${encodeJson({ sink: this.name, row: event })}\n`).join(''));
    return { written: records.length, supersededInBatch: 0, skippedOffset: 0, skippedVersion: 0, rejected: [] };
  }

  open = () => Promise.resolve();
  claim = () => Promise.resolve(new Map());
  commit = () => Promise.resolve();
  rollback = () => Promise.resolve();
  close = () => Promise.resolve();
}

function deadLetterLine({ partition, raw, stage, code, message }: DeadLetter): string {
  const { topic, partition: number } = partition;
  return `${encodeJson({ dead_letter: { topic, partition: number, offset: raw.offset, stage, code, message } })}\n`;
}
