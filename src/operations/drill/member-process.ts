/** One process of the pipeline, started and ended by the drill. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { StatusSnapshot } from '../../runtime/status.ts';
import { type Route, routesVariable } from './routes.ts';

/** How to start one. `module` is `member.ts`, as a URL. */
export interface MemberCommand {
  /** The arguments of Node: its own options, the program, `run FILE` and what follows. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly module: string;
  readonly routes: readonly Route[];
  /** What the process with this id tells of itself; null while it has no answer. */
  readonly ask: (pid: number) => Promise<StatusSnapshot | null>;
}

/** A line of its log. */
export interface LogLine {
  readonly atMs: number;
  readonly level: string;
  readonly code: string;
  readonly message: string;
}

export interface MemberEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const linesMax = 5000;

export class MemberProcess {
  readonly ended: Promise<MemberEnd>;
  readonly log: LogLine[] = [];
  /** Null while it lives. */
  end: MemberEnd | null = null;
  /** The drill has ended it: that it ended says nothing then. */
  isAsked = false;
  /** What it has said beside its log: an error that kept it from running. */
  #lastWords = '';
  readonly #child: ChildProcess;
  readonly #ask: MemberCommand['ask'];

  constructor({ args, env, module, routes, ask }: MemberCommand) {
    this.#ask = ask;
    this.#child = spawn(process.execPath, ['--import', module, ...args], {
      env: { ...env, [routesVariable]: JSON.stringify(routes) },
      // Rows that a sink prints are nobody's here. The channel tells it when the drill is gone.
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    createInterface({ input: this.#child.stderr! }).on('line', (line) => this.#note(line));
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.end = { code, signal };
        resolve(this.end);
      });
      this.#child.once('error', (error) => {
        this.#lastWords = error.message;
        this.end ??= { code: 1, signal: null };
        resolve(this.end);
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Why it ended, in its own words. */
  get lastWords(): string {
    return this.log.findLast(({ level }) => level === 'error')?.message ?? this.#lastWords;
  }

  /** Null while it does not answer. */
  async status(): Promise<StatusSnapshot | null> {
    if (this.end !== null) return null;
    return await this.#ask(this.pid).catch(() => null);
  }

  signal(signal: NodeJS.Signals): void {
    this.isAsked ||= signal === 'SIGKILL' || signal === 'SIGTERM';
    this.#child.kill(signal);
  }

  /**
   * Stops it as a whole (SIGSTOP) until `thaw`. A shell does both: it goes on when its input ends, so also when the drill was
   * killed meanwhile, and nobody is left standing still for ever.
   */
  freeze(): { thaw(): Promise<void> } {
    const script = 'trap "" HUP INT TERM; kill -STOP "$1" && read -r _; kill -CONT "$1"';
    const shell = spawn('sh', ['-c', script, 'sh', String(this.pid)], { stdio: ['pipe', 'ignore', 'ignore'] });
    const done = new Promise<void>((resolve) => {
      shell.once('close', () => resolve());
      shell.once('error', () => resolve());
    });
    return {
      async thaw() {
        shell.stdin.end();
        await done;
      },
    };
  }

  #note(text: string): void {
    if (text.startsWith('{')) {
      try {
        const { time, level, code, message } = JSON.parse(text) as Record<
          'time' | 'level' | 'code' | 'message',
          string
        >;
        this.log.push({ atMs: Date.parse(time), level, code, message });
        if (this.log.length > linesMax) this.log.shift();
        return;
      } catch {
        // Not a line of its log after all.
      }
    }
    if (text.startsWith('pipectl: ')) this.#lastWords = text.slice('pipectl: '.length);
  }
}
