/**
 * Several statements, COPY among them, in one round trip. A simple query may hold many statements and goes on after each
 * COPY, so the copied data can follow at once: data that arrives for a statement which was never reached is ignored by the
 * server (PostgreSQL manual, 54.2.6 "COPY Operations").
 */
import type { Client, Connection, Submittable } from 'pg';

export interface StatementResult {
  /** `INSERT 0 5`, `COMMIT`. */
  readonly tag: string;
  /** Rows as text, in the order of their columns. */
  readonly rows: readonly (readonly (string | null)[])[];
  /** Rows affected, as the command tag says. */
  readonly count: number;
}

/**
 * Runs `sql` with `copies[i]` as the data of its i-th `COPY ... FROM STDIN`; the results of all its statements in order.
 * Rejects with the first error; the statements after it have not run.
 */
export function runScript(client: Client, sql: string, copies: readonly Uint8Array[] = []): Promise<StatementResult[]> {
  return new Promise((resolve, reject) => {
    const script = new Script(sql, copies, (error) => {
      if (error) reject(error);
      else resolve(script.results);
    });
    client.query(script);
  });
}

const copyDone = Uint8Array.of(0x63, 0, 0, 0, 4);

/** What `pg` calls a query: it is given the connection when its turn has come, then every message until the end. */
class Script implements Submittable {
  readonly results: StatementResult[] = [];
  /** `pg` puts its timeout around this one. */
  callback: (error?: Error | null) => void;
  readonly #sql: string;
  readonly #copies: readonly Uint8Array[];
  #rows: (string | null)[][] = [];

  constructor(sql: string, copies: readonly Uint8Array[], callback: (error?: Error | null) => void) {
    this.#sql = sql;
    this.#copies = copies;
    this.callback = callback;
  }

  submit(connection: Connection): void {
    const { stream } = connection;
    stream.cork();
    connection.query(this.#sql);
    for (const copy of this.#copies) {
      const header = Buffer.allocUnsafe(5);
      header[0] = 0x64;
      header.writeUInt32BE(copy.length + 4, 1);
      stream.write(header);
      stream.write(copy);
      stream.write(copyDone);
    }
    stream.uncork();
  }

  handleDataRow(message: { readonly fields: (string | null)[] }): void {
    this.#rows.push(message.fields);
  }

  handleCommandComplete(message: { readonly text: string }): void {
    const count = /\d+$/.exec(message.text);
    this.results.push({ tag: message.text, rows: this.#rows, count: count === null ? 0 : Number(count[0]) });
    this.#rows = [];
  }

  handleError(error: Error): void {
    this.callback(error);
  }

  handleReadyForQuery(): void {
    this.callback(null);
  }

  handleRowDescription(): void {}
  handleCopyInResponse(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
}
