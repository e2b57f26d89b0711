import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { cacheRoot } from './install.ts';
import { Supervisor } from './supervised.ts';

const runsRoot = path.join(cacheRoot, 'runs');
/** Logs of this many runs are kept. */
const runsKept = 20;

/** `test` starts fast and stays small; `bench` gives the services what they need to be measured. */
export type Profile = 'test' | 'bench';

/** One run of the stack: where its services keep logs and data, and what stops them. */
export class Run {
  readonly profile: Profile;
  readonly logsDirectory: string;
  readonly dataDirectory: string;
  readonly supervisor = new Supervisor();
  readonly #print: (line: string) => void;

  private constructor(directory: string, profile: Profile, print: (line: string) => void) {
    this.profile = profile;
    this.logsDirectory = path.join(directory, 'logs');
    this.dataDirectory = path.join(directory, 'data');
    this.#print = print;
  }

  /** @param print takes what happens, a line each */
  static async open(profile: Profile, print: (line: string) => void): Promise<Run> {
    await mkdir(runsRoot, { recursive: true });
    const former = (await readdir(runsRoot)).toSorted();
    for (const name of former.slice(0, Math.max(0, former.length - runsKept + 1))) {
      // A run that still has data is up, or its machine went down with it: a developer's stack may be the oldest.
      const kept = await readdir(path.join(runsRoot, name));
      if (!kept.includes('data')) await rm(path.join(runsRoot, name), { recursive: true, force: true });
    }
    const id = `${new Date().toISOString().replaceAll(/[:.]/g, '-')}-${process.pid}`;
    const run = new Run(path.join(runsRoot, id), profile, print);
    await mkdir(run.logsDirectory, { recursive: true });
    await mkdir(run.dataDirectory, { recursive: true });
    await run.supervisor.removeAtClose(run.dataDirectory);
    return run;
  }

  /** Tells what happens, after the name of the service. */
  report(service: string, what: string): void {
    this.#print(`${service}: ${what}`);
  }

  /** Does some work and tells how long it took, in seconds. */
  async timed<T>(service: string, what: string, work: () => Promise<T>): Promise<T> {
    const startMs = performance.now();
    const result = await work();
    this.report(service, `${what} in ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
    return result;
  }

  logFile(name: string): string {
    return path.join(this.logsDirectory, `${name}.log`);
  }
}
