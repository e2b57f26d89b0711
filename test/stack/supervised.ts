import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { endProcess } from './process-tree.ts';

/** A process the supervisor starts; its output is appended to `logFile`. */
export interface ProcessSpec {
  readonly command: string;
  readonly args: readonly string[];
  readonly logFile: string;
  /** What ends it when its data is thrown away anyway. */
  readonly cleanupSignal: NodeJS.Signals;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly user?: { readonly uid: number; readonly gid: number };
}

type RequestBody =
  | { kind: 'start'; name: string; spec: ProcessSpec }
  | { kind: 'signal'; name: string; signal: NodeJS.Signals; tree: boolean }
  | { kind: 'remove-at-close'; directory: string };
export type Request = RequestBody & { id: number };
export type Answer =
  | { reply: number; result?: number | undefined; problem?: string }
  | { ended: string; code: number | null; signal: string | null; problem?: string };

/** How a process ended: exit code, or signal, or the reason it could not be started (`ENOENT`). */
export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly problem?: string;
}

/** `pid` is missing where the process could not be started; `ended` then tells why. */
export interface StartedProcess {
  readonly pid: number | undefined;
  readonly ended: Promise<Ended>;
}

interface SupervisedProcess {
  pid: number | undefined;
  readonly cleanupSignal: NodeJS.Signals;
  readonly ended: (how: Ended) => void;
}

const supervisorEnded = 'the supervisor of the stack has ended';

/** The owner's side of the supervisor: starts processes that cannot outlive this one. */
export class Supervisor {
  readonly #child: ChildProcess;
  readonly #replies = new Map<number, (answer: Answer) => void>();
  readonly #processes = new Map<string, SupervisedProcess>();
  readonly #exited: Promise<void>;
  readonly #directories: string[] = [];
  #lastId = 0;

  constructor() {
    this.#child = fork(path.join(import.meta.dirname, 'supervisor.ts'), {
      detached: true,
      // The owner may run under a loader; the supervisor needs none.
      execArgv: [],
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#child.on('message', (answer: Answer) => this.#receive(answer));
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', () => {
        // Whoever killed the supervisor has not killed the services.
        for (const [name, { pid, cleanupSignal, ended }] of this.#processes) {
          this.#processes.delete(name);
          if (pid !== undefined) endProcess(pid, cleanupSignal);
          ended({ code: null, signal: null, problem: supervisorEnded });
        }
        for (const reply of this.#replies.keys()) this.#receive({ reply, problem: supervisorEnded });
        resolve();
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Starts a process under a name that is unique while it runs. */
  async start(name: string, spec: ProcessSpec): Promise<StartedProcess> {
    const { promise: ended, resolve } = Promise.withResolvers<Ended>();
    // Known before the answer: it may end before that.
    const entry: SupervisedProcess = { pid: undefined, cleanupSignal: spec.cleanupSignal, ended: resolve };
    this.#processes.set(name, entry);
    entry.pid = await this.#ask({ kind: 'start', name, spec });
    return { pid: entry.pid, ended };
  }

  /** Runs a process to its end; anything but exit code 0 is an error with the end of its log. */
  async run(name: string, spec: ProcessSpec): Promise<void> {
    const { ended } = await this.start(name, spec);
    const how = await ended;
    if (how.code !== 0) throw new ProcessFailure(name, how, spec.logFile);
  }

  /** @param tree whether the process's children get the signal too */
  async signal(name: string, signal: NodeJS.Signals, tree: boolean): Promise<void> {
    await this.#ask({ kind: 'signal', name, signal, tree });
  }

  /** Has a folder removed when the stack closes, however it closes. */
  async removeAtClose(directory: string): Promise<void> {
    this.#directories.push(directory);
    await this.#ask({ kind: 'remove-at-close', directory });
  }

  /** Stops what runs, removes the data and resolves when nothing is left. */
  async close(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.#exited;
    // Nothing is left to do here, unless somebody killed the supervisor.
    for (const directory of this.#directories) await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }

  #ask(body: RequestBody): Promise<number | undefined> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#replies.set(id, (answer) => {
        if (!('reply' in answer)) return;
        if (answer.problem === undefined) resolve(answer.result);
        else reject(new Error(answer.problem));
      });
      const lost = (): void => reject(new Error(supervisorEnded));
      if (!this.#child.connected) return lost();
      this.#child.send({ ...body, id }, (error) => error && lost());
    });
  }

  #receive(answer: Answer): void {
    if ('reply' in answer) {
      this.#replies.get(answer.reply)?.(answer);
      this.#replies.delete(answer.reply);
      return;
    }
    const entry = this.#processes.get(answer.ended);
    this.#processes.delete(answer.ended);
    entry?.ended(answer);
  }
}

export class ProcessFailure extends Error {
  readonly how: Ended;

  constructor(name: string, how: Ended, logFile: string) {
    const ending = how.problem ?? (how.signal === null ? `exit code ${how.code}` : how.signal);
    super(`${name} ended with ${ending}; the end of ${logFile}:\n${endOf(logFile)}`);
    this.name = 'ProcessFailure';
    this.how = how;
  }
}

function endOf(logFile: string): string {
  try {
    return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-15).join('\n');
  } catch {
    return '(no log)';
  }
}

/** What a service is started with, each time: the same ports, data and flags. */
export interface ServiceSpec extends ProcessSpec {
  /** What ends it in an orderly way. */
  readonly stopSignal: NodeJS.Signals;
  /** Asks the service itself, once; an exception means not yet. */
  readonly isReady: () => Promise<void>;
}

const readyMsMax = 60_000;
const stopMsMax = 15_000;

/** A running service with the faults a test can give it. */
export class ServiceProcess {
  readonly name: string;
  readonly #supervisor: Supervisor;
  readonly #spec: ServiceSpec;
  #running: (StartedProcess & { hasEnded: boolean }) | undefined;

  constructor(name: string, supervisor: Supervisor, spec: ServiceSpec) {
    this.name = name;
    this.#supervisor = supervisor;
    this.#spec = spec;
  }

  /** Process id of the service's first process, while it runs. */
  get pid(): number | undefined {
    return this.#running?.hasEnded === false ? this.#running.pid : undefined;
  }

  get logFile(): string {
    return this.#spec.logFile;
  }

  /** Starts the service and resolves when it answers. */
  async start(): Promise<void> {
    const running = { ...(await this.#supervisor.start(this.name, this.#spec)), hasEnded: false };
    this.#running = running;
    void running.ended.then(() => (running.hasEnded = true));
    await this.#untilReady(running.ended);
  }

  /** Stops the service in an orderly way; after 15 s it is killed. */
  async stop(signal: NodeJS.Signals = this.#spec.stopSignal): Promise<void> {
    if (this.pid === undefined) return;
    await this.#supervisor.signal(this.name, signal, false);
    await this.#supervisor.signal(this.name, 'SIGCONT', true);
    if (!(await this.#endsWithin(stopMsMax))) await this.kill();
  }

  /** Sends a signal and resolves when the service has ended; SIGKILL reaches the processes it started too. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.pid === undefined) return;
    await this.#supervisor.signal(this.name, signal, signal === 'SIGKILL');
    if (!(await this.#endsWithin(stopMsMax))) {
      throw new Error(`${this.name} has not ended ${stopMsMax} ms after ${signal}`);
    }
  }

  /** Starts it again on the same port and data, after an orderly stop if it still runs. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** The service stands still with its connections open, as on a machine that hangs. */
  async pause(): Promise<void> {
    await this.#supervisor.signal(this.name, 'SIGSTOP', true);
  }

  async resume(): Promise<void> {
    await this.#supervisor.signal(this.name, 'SIGCONT', true);
  }

  async #endsWithin(ms: number): Promise<boolean> {
    const giveUp = new AbortController();
    const late = delay(ms, false, { signal: giveUp.signal }).catch(() => false);
    const ended = this.#running?.ended.then(() => true) ?? true;
    const inTime = await Promise.race([ended, late]);
    giveUp.abort();
    return inTime;
  }

  async #untilReady(ended: Promise<Ended>): Promise<void> {
    let gone: Ended | undefined;
    void ended.then((how) => (gone = how));
    const deadline = performance.now() + readyMsMax;
    for (;;) {
      try {
        return await this.#spec.isReady();
      } catch (error) {
        if (gone) throw new ProcessFailure(this.name, gone, this.logFile);
        if (performance.now() > deadline) {
          throw new Error(`${this.name} did not answer within ${readyMsMax} ms; see ${this.logFile}`, { cause: error });
        }
        await delay(30);
      }
    }
  }
}
