import { hideSecrets } from '../declaration/secrets.ts';
import type { Log } from '../engine/ports.ts';
import { runbookFor } from './runbooks.ts';
import type { StatusEvent } from './status.ts';

const EVENTS_MAX = 50;
const MESSAGE_MAX = 500;

/** The log of one running pipeline: JSON lines for machines, and the newest events for the status. */
export interface PipelineLog extends Log {
  /** Newest first. */
  readonly events: readonly StatusEvent[];
}

/** Gets each line, with its level for those who leave some out. */
export type WriteLog = (line: string, level: StatusEvent['level']) => void;

export interface LogOptions {
  readonly pipeline: string;
  readonly member: string;
  /** Gets one JSON object a line; undefined: nothing is written, events are still kept. */
  readonly write: WriteLog | undefined;
  /** Values that must not appear, whoever put them into a message. */
  readonly secrets: readonly string[];
  readonly now: () => number;
}

/** Builds the log. Messages are cut at 500 characters; details are small values, never payloads. */
export function pipelineLog({ pipeline, member, write, secrets, now }: LogOptions): PipelineLog {
  const events: StatusEvent[] = [];
  const add = (level: StatusEvent['level'], code: string, text: string, details: Readonly<Record<string, unknown>>) => {
    const atMs = now();
    const message = redact(text, secrets).slice(0, MESSAGE_MAX);
    // What is tried again and again must not push out what happened before.
    const before = events.findIndex(
      (event) => event.code === code && event.level === level && event.message === message,
    );
    const times = before === -1 ? 1 : (events.splice(before, 1)[0]!.times ?? 1) + 1;
    events.unshift({ atMs, level, code, message, ...(times > 1 && { times }) });
    events.length = Math.min(events.length, EVENTS_MAX);
    if (write === undefined) return;
    const runbook = level === 'info' ? null : runbookFor(code);
    const frame = {
      time: new Date(atMs).toISOString(),
      level,
      pipeline,
      member,
      code,
      message,
      ...(runbook === null ? {} : { runbook }),
    };
    // Value by value: in the line as a whole a secret could look like a key, or stand there escaped.
    const line = JSON.stringify({ ...frame, ...details }, (key, value: unknown) =>
      typeof value === 'string' && !Object.hasOwn(frame, key) ? redact(value, secrets) : value,
    );
    write(`${line}\n`, level);
  };
  return {
    events,
    info: (code, message, details = {}) => add('info', code, message, details),
    warn: (code, message, details = {}) => add('warn', code, message, details),
    error: (code, message, details = {}) => add('error', code, message, details),
  };
}

/** `text` with every secret replaced, and passwords in URLs. */
export function redact(text: string, secrets: readonly string[]): string {
  const clean = text.replaceAll(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s@/]+@/gi, '$1:***@');
  return hideSecrets(clean, secrets, () => '***');
}
