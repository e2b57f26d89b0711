/** What `POST /resume` does with a running pipeline. */
import type { RunningPipeline } from './run.ts';

export interface ResumeAnswer {
  readonly pipeline: string;
  readonly member: string;
  readonly closed: readonly {
    /** The sink whose stage it held; null: that of all required sinks. */
    readonly sink: string | null;
    readonly ratio: number;
    /** For how long it was open. */
    readonly openMs: number;
    readonly armedInMs: number;
  }[];
}

const NOTE_MAX = 300;

/** Closes every breaker that is open; note and name go to the log. `asked` is what came over the socket. */
export function resume(
  pipeline: Pick<RunningPipeline, 'resume' | 'name' | 'member'>,
  asked: unknown,
  nowMs: number,
): ResumeAnswer {
  const { note, by } = (asked ?? {}) as { readonly note?: unknown; readonly by?: unknown };
  const said = [by, note].filter((text) => typeof text === 'string' && text !== '').join(': ');
  const closed = pipeline.resume(said.slice(0, NOTE_MAX) || 'no note was given');
  return {
    pipeline: pipeline.name,
    member: pipeline.member,
    closed: closed.map(({ sink, opening, overMs }) => ({
      sink,
      ratio: opening.ratio,
      openMs: nowMs - opening.atMs,
      armedInMs: overMs,
    })),
  };
}
