/** The stage of a sink that is not required: whatever happens to it, the others go on. */
import { backoffMs } from '../engine/backoff.ts';
import { BreakerOpened } from '../engine/breaker.ts';
import type { Clock, Log } from '../engine/ports.ts';
import { type StageReport, takeUp } from '../engine/report.ts';
import type { Stage } from '../engine/stage.ts';

export interface OptionalStageOptions {
  /** Of the sink. */
  readonly name: string;
  readonly first: Stage;
  /** Another stage, which goes on in the report of the former one. */
  readonly next: (report: StageReport) => Promise<Stage>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

const RESTART_MS = 1_000;
const RESTART_MS_MAX = 60_000;

export class OptionalStage {
  readonly #options: OptionalStageOptions;
  readonly #stopping = new AbortController();
  #stage: Stage;
  /** Stages in a row that failed without having written anything. */
  #failures = 0;
  #failingSinceMs = 0;

  constructor(options: OptionalStageOptions) {
    this.#options = options;
    this.#stage = options.first;
  }

  /**
   * Runs until the source has ended or `stop` was called. Rejects only with what is wrong from the start, which waiting
   * does not mend (a table that is not there), and with a breaker that ends the run.
   */
  async run(): Promise<void> {
    const { report } = this.#stage;
    for (;;) {
      const written = report.epochs;
      try {
        await this.#stage.run();
        return;
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        const wasThere = report.connected || report.health.some(({ retries }) => retries > 0);
        if (!wasThere || error instanceof BreakerOpened) throw error;
        if (report.epochs > written) this.#failures = 0;
        await this.#rest(error, report);
      }
      if (this.#stopping.signal.aborted) return;
      takeUp(report);
      this.#stage = await this.#options.next(report);
    }
  }

  /** Writes what is begun, with one try. In trouble it gives up at once: nothing is lost, the next run goes on there. */
  stop(): void {
    this.#stopping.abort();
    this.#stage.giveUp();
  }

  resume(note: string) {
    return this.#stage.resume(note);
  }

  async #rest(error: unknown, { health }: StageReport): Promise<void> {
    const { name, clock, random, log } = this.#options;
    const cause = error instanceof Error ? error.message : String(error);
    const nowMs = clock.now();
    if (this.#failures === 0) this.#failingSinceMs = nowMs;
    this.#failures++;
    const delayMs = backoffMs(this.#failures, random(), RESTART_MS, RESTART_MS_MAX);
    const trouble = {
      state: 'DOWN',
      failures: this.#failures,
      failingSinceMs: this.#failingSinceMs,
      nextTryAtMs: nowMs + delayMs,
      cause,
    } as const;
    for (const one of health) Object.assign(one, trouble, { retries: one.retries + 1 });
    log.error('optional_sink_down', `${name} is down, the others go on: ${cause}`, { delayMs });
    await clock.sleep(delayMs, this.#stopping.signal);
  }
}
