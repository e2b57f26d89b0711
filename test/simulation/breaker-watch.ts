/** Tells from totals what the breaker of a stage must hold back. */
import type { BreakerLimits } from '../../src/engine/breaker.ts';
import type { DeadLetter } from '../../src/engine/ports.ts';
import type { StageReport } from '../../src/engine/report.ts';
import { LONG_MS, type SinkPlan } from './scenario.ts';
import type { World } from './world.ts';

export class BreakerWatch {
  readonly #world: World;
  readonly #name: string;
  readonly #limits: BreakerLimits;
  readonly #isBeside: boolean;
  /** Nothing can be told: its window forgets, it was resumed, or dead letters are written that it does not count. */
  #isOff: boolean;
  #report: StageReport | undefined;
  #epochs = 0;
  /** Dead letters of the epoch at hand, by stage. */
  readonly #open = new Map<string, number>();
  /** The same letters are appended until it has worked. */
  readonly #seen = new WeakSet<readonly DeadLetter[]>();

  constructor(world: World, name: string, limits: BreakerLimits, lane: readonly SinkPlan[]) {
    this.#world = world;
    this.#name = name;
    this.#limits = limits;
    this.#isBeside = !lane[0]!.required;
    this.#isOff = limits.overMs < LONG_MS || lane.some(({ retry }) => retry.action === 'dlq');
  }

  /** The account of its stage. */
  reads(report: StageReport): void {
    this.#report = report;
  }

  /** A new assignment has begun: what was not sealed is read again. */
  begins(): void {
    this.#open.clear();
  }

  /** A sink tries its batch anew. After a commit whose answer was lost it has fewer refusals to tell of. */
  attempts(sink: string): void {
    this.#open.delete(`sink:${sink}`);
  }

  resumed(): void {
    this.#isOff = true;
  }

  /** Dead letters are about to be durable: with those before they must not be more than the breaker lets pass. */
  appends(letters: readonly DeadLetter[]): void {
    const report = this.#report;
    if (this.#isOff || report === undefined || this.#seen.has(letters)) return;
    this.#seen.add(letters);
    if (report.epochs !== this.#epochs) this.#open.clear();
    this.#epochs = report.epochs;
    for (const { stage } of letters) this.#open.set(stage, (this.#open.get(stage) ?? 0) + 1);
    const sealed =
      report.sinks.reduce((sum, { rejected }) => sum + rejected, 0) +
      (this.#isBeside ? 0 : report.stages.reduce((sum, { dead }) => sum + dead, 0));
    const dead = [...this.#open.values()].reduce((sum, count) => sum + count, sealed);
    const { ratio, min } = this.#limits;
    const read = report.read + report.pending;
    if (dead > Math.max(min - 1, Math.floor(ratio * read)))
      this.#world.violate(`${this.#name}: ${dead} dead letters of ${read} records passed the breaker`);
  }
}
