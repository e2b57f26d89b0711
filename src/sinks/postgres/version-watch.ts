import type { Client } from 'pg';
import type { SinkContext } from '../../declaration/component.ts';
import { type Owner, otherVersions } from './positions.ts';

/** How often it is looked whether members run another version of the pipeline, and how far back: never before the claim. */
const everyMs = 60_000;
const backSeconds = 50;

/** Every member of a group should run the same pipeline; while a new version is rolled out, for a while they do not. */
export class VersionWatch {
  readonly #owner: Owner;
  readonly #context: SinkContext;
  /** Those that were told of. */
  readonly #told = new Set<string>();
  #seenMs = 0;

  constructor(owner: Owner, context: SinkContext) {
    this.#owner = owner;
    this.#context = context;
  }

  /** Partitions were claimed: what was before does not count. */
  begin(): void {
    this.#seenMs = this.#context.clock.now();
  }

  /** Looks where it is time to, and logs each other version once. */
  async look(client: Client, table: string): Promise<void> {
    const { clock, log, name, pipeline, pipelineHash } = this.#context;
    const elapsedMs = clock.now() - this.#seenMs;
    if (elapsedMs >= 0 && elapsedMs < everyMs) return;
    // After a clock was set back too: the next interval is measured from here.
    this.#seenMs = clock.now();
    if (elapsedMs < 0) return;
    for (const hash of await otherVersions(client, this.#owner, backSeconds)) {
      if (this.#told.has(hash)) continue;
      this.#told.add(hash);
      log.warn(
        'pipeline_versions_differ',
        `members run another version of ${pipeline}: ${hash} beside our ${pipelineHash}; each writes ${table} by its own`,
        { sink: name, hash },
      );
    }
  }
}
