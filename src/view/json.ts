import type { StatusSnapshot } from '../runtime/status.ts';

/** Rises when a field changes its meaning or goes away; new fields do not raise it. */
const JSON_VERSION = 1;

/**
 * One snapshot as one line of JSON, without the line's end: `version`, then the snapshot's fields. Offsets are strings,
 * since a reader's numbers may end at 2^53; unknown is null.
 */
export function jsonLine(snapshot: StatusSnapshot): string {
  const line = JSON.stringify({ version: JSON_VERSION, ...written(snapshot) });
  // JSON leaves DEL and the C1 controls as they are, and a terminal obeys them.
  return line.replace(/[\u007f-\u009f]/g, (control) => `\\u00${control.charCodeAt(0).toString(16)}`);
}

const written = (snapshot: StatusSnapshot) => ({
  ...snapshot,
  partitions: snapshot.partitions.map((partition) => ({
    ...partition,
    position: String(partition.position),
    end: partition.end === null ? null : String(partition.end),
  })),
});

/** What `jsonLine` was made of, from what it says; null where another version has written it. */
export function snapshotOf(said: unknown): StatusSnapshot | null {
  const { version, ...snapshot } = (said ?? {}) as ReturnType<typeof written> & { readonly version?: unknown };
  if (version !== JSON_VERSION) return null;
  return {
    ...snapshot,
    // A process that began before there was such a number.
    deadLetters: {
      ...snapshot.deadLetters,
      letters: snapshot.deadLetters.letters ?? null,
      causes: snapshot.deadLetters.causes.map((cause) => ({ ...cause, letters: cause.letters ?? null })),
    },
    partitions: snapshot.partitions.map((partition) => ({
      ...partition,
      position: Number(partition.position),
      end: partition.end === null ? null : Number(partition.end),
    })),
  };
}

/**
 * Writes a snapshot line now, every `intervalMs` (default 5 s), and a last one on `close`. While the stream is full, lines are
 * left out: a reader that stands still must not fill the memory.
 */
export function startJsonView(options: {
  readonly snapshots: () => StatusSnapshot;
  readonly out: NodeJS.WritableStream;
  readonly intervalMs?: number;
}): { close(): void } {
  const write = (): void => {
    options.out.write(`${jsonLine(options.snapshots())}\n`);
  };
  write();
  const timer = setInterval(() => {
    if (!isFull(options.out)) write();
  }, options.intervalMs ?? 5_000);
  timer.unref();
  return {
    close() {
      clearInterval(timer);
      write();
    },
  };
}

function isFull(stream: NodeJS.WritableStream): boolean {
  return 'writableNeedDrain' in stream && stream.writableNeedDrain === true;
}
