/** What `--metrics` answers for all pipelines of the process together. */
import type { PipelineDefinition } from '../definition/pipeline.ts';
import { type NotRunning, type Observed, metricsText } from './metrics.ts';
import type { MetricsPages } from './metrics-server.ts';
import type { StatusSnapshot } from './status.ts';

/** A pipeline that runs, for whoever asks. */
export interface Scraped {
  snapshot(): Pick<StatusSnapshot, 'state' | 'ready'>;
  observed(): Observed;
}

export class PipelinePages implements MetricsPages {
  readonly #running = new Map<string, Scraped>();
  /** Those that have not begun, or have ended. */
  readonly #others: Map<string, NotRunning>;

  /** No two of them have the same name. */
  constructor(definitions: readonly Pick<PipelineDefinition, 'name' | 'environment'>[]) {
    this.#others = new Map(
      definitions.map(({ name, environment }) => [name, { pipeline: name, environment, state: 'starting' }]),
    );
  }

  started({ name }: Pick<PipelineDefinition, 'name'>, scraped: Scraped): void {
    this.#others.delete(name);
    this.#running.set(name, scraped);
  }

  ended(
    { name, environment }: Pick<PipelineDefinition, 'name' | 'environment'>,
    state: Exclude<NotRunning['state'], 'starting'>,
  ): void {
    this.#running.delete(name);
    this.#others.set(name, { pipeline: name, environment, state });
  }

  metrics(): string {
    const running = [...this.#running.values()].map((one) => one.observed());
    return metricsText(running, [...this.#others.values()]);
  }

  /** Killing the process for one that has failed would end the others too. */
  isHealthy(): boolean {
    return this.#states().some(({ state }) => state !== 'failed');
  }

  /** All that have not come to their end in order, of which there is at least one. */
  isReady(): boolean {
    const others = [...this.#others.values()];
    const running = [...this.#running.values()];
    return (
      running.length > 0 &&
      others.every(({ state }) => state === 'stopped') &&
      running.every((one) => one.snapshot().ready)
    );
  }

  /** The state of each, where there are several. */
  details(): readonly string[] {
    const states = this.#states();
    return states.length === 1 ? [] : states.map(({ pipeline, state }) => `${pipeline} ${state}`);
  }

  #states(): readonly { readonly pipeline: string; readonly state: string }[] {
    const running = [...this.#running].map(([pipeline, one]) => ({ pipeline, state: one.snapshot().state }));
    return [...running, ...this.#others.values()].toSorted((a, b) => (a.pipeline < b.pipeline ? -1 : 1));
  }
}
