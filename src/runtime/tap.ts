/** What comes out of a stage, for those who watch: a few events a second, copied, with what must not be seen hidden. */
import { Readable } from 'node:stream';
import { encodeJson } from '../codecs/json.ts';
import { isPlain } from '../declaration/secrets.ts';
import { listed, suggestion } from '../definition/suggestion.ts';
import type { EventRecord, Tap } from '../engine/ports.ts';
import { PipectlError } from '../errors.ts';
import { redact } from './log.ts';

export interface TapRequest {
  /** Name of a step; `source` and `decode` are what was read. */
  readonly after: string;
  readonly perSecond: number;
  /** End after so many events; null: never. */
  readonly limit: number | null;
  /** Only records with this key, compared as text; null: all. */
  readonly key: string | null;
  /** Fields to hide, `customer.email`, also inside arrays; `key` hides the record's key. */
  readonly redact: readonly string[];
}

/** One line a second tells them, and the last line. */
export interface TapCounts {
  /** Events that left the stage since the tap was opened, of the key that was asked for. */
  readonly seen: number;
  readonly shown: number;
  /** Would have been shown, had the reader kept up. */
  readonly dropped: number;
}

export interface TapStage {
  readonly name: string;
  readonly kind: string;
}

export const TAP_PER_SECOND_MAX = 1_000;
const WATCHERS_MAX = 8;
/** What waits for a reader; then events are dropped. */
const WAITING_BYTES_MAX = 256 * 1024;
const EVENT_CHARACTERS_MAX = 64 * 1024;
const COUNTS_EVERY_MS = 1_000;

/** Reads `?after=STEP&rate=10&limit=5&key=K&redact=a.b&redact=c`. Throws a sentence about what is wrong. */
export function tapRequest(query: URLSearchParams): TapRequest {
  const number = (name: string, max: number): number | null => {
    const text = query.get(name);
    if (text === null) return null;
    const value = Number(text);
    if (!(value > 0 && value <= max)) throw new Error(`${name} is a number up to ${max}, not ${text}`);
    return value;
  };
  const after = query.get('after');
  if (after === null) throw new Error('after is missing: the step whose events are to be seen');
  return {
    after,
    perSecond: number('rate', TAP_PER_SECOND_MAX) ?? 10,
    limit: number('limit', Number.MAX_SAFE_INTEGER),
    key: query.get('key'),
    redact: query.getAll('redact'),
  };
}

/** The places where a pipeline can be watched. Nobody watching costs the engine a look at an array a slice. */
export class Taps {
  /** For the engine: by the place of the stage. */
  readonly byStage: (Tap | undefined)[] = [];
  readonly #stages: readonly TapStage[];
  readonly #secrets: readonly string[];
  readonly #watchers = new Map<Watcher, readonly number[]>();

  /** `stages` in the order of the engine's counts. */
  constructor(stages: readonly TapStage[], secrets: readonly string[]) {
    this.#stages = stages;
    this.#secrets = secrets;
  }

  /**
   * Lines of JSON, an event each, until the stream is destroyed or the limit is reached; between them `TapCounts`. Throws where
   * there is no such stage.
   */
  open(request: TapRequest, now: () => number): Readable {
    const places = this.#placesOf(request.after);
    if (this.#watchers.size >= WATCHERS_MAX) throw new Error(`there are ${WATCHERS_MAX} taps already`);
    const watcher = new Watcher(request, this.#secrets, now, () => {
      this.#watchers.delete(watcher);
      this.#attach(places);
    });
    this.#watchers.set(watcher, places);
    this.#attach(places);
    return watcher.lines;
  }

  #attach(places: readonly number[]): void {
    for (const place of places) {
      const watching = [...this.#watchers].flatMap(([watcher, its]) => (its.includes(place) ? [watcher] : []));
      this.byStage[place] =
        watching.length === 0 ? undefined : (records) => watching.forEach((one) => one.see(records));
    }
  }

  #placesOf(after: string): readonly number[] {
    const isSource = after === 'source' || after === 'decode';
    const places = this.#stages.flatMap(({ name, kind }, place) =>
      name === after || (isSource && kind === 'decode') ? [place] : [],
    );
    if (places.length > 0) return places;
    const names = this.#stages.map(({ name }) => name);
    const near = suggestion(after, names);
    const meant = near === null ? '' : `; did you mean "${near}"?`;
    throw new PipectlError('tap_step_unknown', `there is no step "${after}"${meant}`, {
      hint: `it has ${listed(names, 'and')}`,
    });
  }
}

class Watcher {
  readonly lines: Readable;
  readonly #request: TapRequest;
  readonly #secrets: readonly string[];
  readonly #now: () => number;
  readonly #keys: readonly Buffer[] | null;
  readonly #hidden: readonly (readonly string[])[];
  #seen = 0;
  #shown = 0;
  #dropped = 0;
  /** Events that may be shown now. */
  #allowance: number;
  #grantedAtMs: number;

  constructor(request: TapRequest, secrets: readonly string[], now: () => number, onClose: () => void) {
    this.#request = request;
    this.#secrets = secrets;
    this.#now = now;
    // A key that is JSON text has quotes.
    this.#keys = request.key === null ? null : [Buffer.from(request.key), Buffer.from(JSON.stringify(request.key))];
    this.#hidden = request.redact.map((path) => path.replace(/^event\./, '').split('.'));
    this.#allowance = Math.max(1, request.perSecond);
    this.#grantedAtMs = now();
    const telling = setInterval(() => {
      if (this.lines.readableLength < WAITING_BYTES_MAX) this.#write(this.#counts());
    }, COUNTS_EVERY_MS);
    telling.unref();
    this.lines = new Readable({
      highWaterMark: WAITING_BYTES_MAX,
      read: () => undefined,
      destroy(error, done) {
        clearInterval(telling);
        onClose();
        done(error);
      },
    });
  }

  see(records: readonly EventRecord[]): void {
    const { perSecond, limit } = this.#request;
    if (this.lines.readableEnded || this.lines.destroyed) return;
    const nowMs = this.#now();
    const earned = ((nowMs - this.#grantedAtMs) * perSecond) / 1000;
    this.#allowance = Math.min(Math.max(1, perSecond), this.#allowance + Math.max(0, earned));
    this.#grantedAtMs = nowMs;
    for (const record of records) {
      if (!this.#isWanted(record)) continue;
      this.#seen++;
      if (this.#allowance < 1 || (limit !== null && this.#shown >= limit)) continue;
      this.#allowance--;
      if (this.lines.readableLength >= WAITING_BYTES_MAX) {
        this.#dropped++;
        continue;
      }
      this.#shown++;
      this.#write(this.#line(record));
      if (this.#shown === limit) {
        this.#write(this.#counts());
        this.lines.push(null);
        return;
      }
    }
  }

  #isWanted({ raw: { key } }: EventRecord): boolean {
    return this.#keys === null || (key !== null && this.#keys.some((wanted) => wanted.equals(key)));
  }

  #counts(): string {
    const counts: TapCounts = { seen: this.#seen, shown: this.#shown, dropped: this.#dropped };
    return JSON.stringify(counts);
  }

  #write(line: string): void {
    // JSON leaves these as they are; a terminal would obey them.
    const safe = line.replace(
      /[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
    this.lines.push(`${safe}\n`);
  }

  #line(record: EventRecord): string {
    const { raw, partition, element } = record;
    const hidesKey = this.#request.redact.includes('key');
    const event = encodeJson(this.#visible(record.event, []));
    const isCut = event.length > EVENT_CHARACTERS_MAX;
    const frame = encodeJson({
      topic: partition.topic,
      partition: partition.partition,
      offset: String(raw.offset),
      ...(element === '' ? {} : { element }),
      timestamp: new Date(raw.timestampMs).toISOString(),
      key: hidesKey ? HIDDEN : raw.key === null ? null : this.#visible(keyText(raw.key), []),
      ...(isCut ? { cut: true } : {}),
    });
    const shown = isCut ? JSON.stringify(event.slice(0, EVENT_CHARACTERS_MAX)) : event;
    return `${frame.slice(0, -1)},"event":${shown}}`;
  }

  /** A copy without secrets and without what is to be hidden at `path`. */
  #visible(value: unknown, path: readonly string[]): unknown {
    if (path.length > 0 && this.#hidden.some((one) => isSame(one, path))) return HIDDEN;
    if (typeof value === 'string') return redact(value, this.#secrets);
    if (Array.isArray(value)) return value.map((item: unknown) => this.#visible(item, path));
    if (!isPlain(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, this.#visible(item, [...path, name])]),
    );
  }
}

const HIDDEN = '***';

const keyText = (key: Uint8Array): string => Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('utf8');

const isSame = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((name, at) => name === other[at]);
