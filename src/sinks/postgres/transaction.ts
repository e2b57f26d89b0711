import assert from 'node:assert/strict';
import type { Client } from 'pg';
import { runScript, type StatementResult } from '../../connections/postgres/script.ts';
import { SinkUnavailable } from '../../engine/ports.ts';
import type { Claim } from './rows.ts';
import type { TableSession } from './session.ts';

/** Where a commit moves a position to. */
export interface Move {
  readonly claim: Claim;
  readonly to: number;
}

/** The open transaction of a sink, if there is one, and what its commit makes true. */
export class Transaction {
  readonly #session: TableSession;
  /** The connection it is open on. */
  #client: Client | null = null;
  #moves: readonly Move[] = [];

  constructor(session: TableSession) {
    this.#session = session;
  }

  /** Begins one and runs `sql` in it; the results of `sql`, which may be empty. */
  async begin(client: Client, sql = '', copies: readonly Uint8Array[] = []): Promise<StatementResult[]> {
    const [, , ...results] = await this.run(client, `BEGIN; SET CONSTRAINTS ALL IMMEDIATE; ${sql}`, copies);
    return results;
  }

  run(client: Client, sql: string, copies: readonly Uint8Array[] = []): Promise<StatementResult[]> {
    this.#client = client;
    return runScript(client, sql, copies);
  }

  /** Everything is written. */
  complete(moves: readonly Move[]): void {
    this.#moves = moves;
  }

  async commit(): Promise<void> {
    const client = this.#client;
    if (client === null || !this.#session.isCurrent(client)) {
      throw new SinkUnavailable('the connection was lost before the commit');
    }
    const [result] = await runScript(client, 'COMMIT');
    assert.equal(result?.tag, 'COMMIT', 'the transaction had failed, and was committed nevertheless');
    this.#client = null;
    for (const { claim, to } of this.#moves) claim.position = Math.max(claim.position, to);
  }

  /** Also of one whose state is unknown. Never rejects. */
  async rollback(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    if (client === null || !this.#session.isCurrent(client)) return;
    try {
      await runScript(client, 'ROLLBACK');
    } catch {
      this.#session.drop();
    }
  }
}
