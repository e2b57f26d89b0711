/** The processes of a drill: so many of them run, whatever happens to one. */
import { setTimeout as delay } from 'node:timers/promises';
import { PipectlError } from '../../errors.ts';
import { type LogLine, type MemberCommand, type MemberEnd, MemberProcess } from './member-process.ts';

/** Before a container platform kills. */
export const drainMsMax = 30_000;
const readyMsMax = 60_000;
const askEveryMs = 200;
/** For processes that are asked to end because the drill ends early. */
const leaveMs = 8000;

/** One that ended, and nobody asked it to. */
export interface Lost {
  readonly atMs: number;
  readonly end: MemberEnd;
  readonly reason: string;
}

export class Crew {
  readonly #command: MemberCommand;
  readonly #all: MemberProcess[] = [];
  readonly lost: Lost[] = [];

  constructor(command: MemberCommand) {
    this.#command = command;
  }

  /** Those that live. */
  get members(): readonly MemberProcess[] {
    return this.#all.filter(({ end }) => end === null);
  }

  /** What all of them have logged since a time. */
  logSince(atMs: number): readonly LogLine[] {
    return this.#all.flatMap(({ log }) => log.filter((line) => line.atMs >= atMs));
  }

  /** Starts as many as are missing. Resolves at once. */
  fill(count: number): void {
    for (let missing = count - this.members.length; missing > 0; missing--) {
      const member = new MemberProcess(this.#command);
      this.#all.push(member);
      void member.ended.then((end) => {
        if (!member.isAsked) this.lost.push({ atMs: Date.now(), end, reason: member.lastWords });
      });
    }
  }

  /** Resolves when all that live have their partitions. Rejects where one ends instead, with its reason, or it takes too long. */
  async ready(signal: AbortSignal): Promise<void> {
    const deadline = Date.now() + readyMsMax;
    for (;;) {
      const [lost] = this.lost;
      if (lost !== undefined) {
        throw new PipectlError('drill_member_ended', `a process of the pipeline ended as it started: ${lost.reason}`, {
          exitCode: lost.end.code ?? 1,
        });
      }
      const states = await Promise.all(this.members.map((member) => member.status()));
      if (states.every((status) => status?.ready === true)) return;
      if (Date.now() > deadline) {
        const shown = [...new Set(states.map((status) => status?.state ?? 'no answer'))].join(', ');
        const message = `the pipeline is not ready after ${readyMsMax / 1000} s; its processes say: ${shown}`;
        throw new PipectlError('drill_not_ready', message);
      }
      await delay(askEveryMs, undefined, { signal });
    }
  }

  /** SIGTERM to one or all, and how each ended. One that takes longer than 30 s is killed. */
  async drain(
    members: readonly MemberProcess[],
  ): Promise<readonly (MemberEnd & { readonly tookMs: number; readonly reason: string })[]> {
    const sinceMs = Date.now();
    return Promise.all(
      members.map(async (member) => {
        member.signal('SIGTERM');
        const timer = setTimeout(() => member.signal('SIGKILL'), drainMsMax);
        const end = await member.ended;
        clearTimeout(timer);
        return { ...end, tookMs: Date.now() - sinceMs, reason: member.lastWords };
      }),
    );
  }

  /** Nobody is left when it resolves. */
  async leave(): Promise<void> {
    const members = this.members;
    for (const member of members) {
      member.signal('SIGCONT');
      member.signal('SIGTERM');
    }
    const timer = setTimeout(() => this.kill(), leaveMs);
    await Promise.all(members.map(({ ended }) => ended));
    clearTimeout(timer);
  }

  /** Ends all at once. */
  kill(): void {
    for (const member of this.members) member.signal('SIGKILL');
  }
}
