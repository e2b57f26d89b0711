/** From a batch to what goes over the wire, for the table as it is known and the partitions as they are claimed. */
import type { SinkContext } from '../../declaration/component.ts';
import type { Partition, SinkBatch } from '../../engine/ports.ts';
import type { PostgresSinkOptions } from './index.ts';
import { NewFields } from './new-fields.ts';
import type { Plan } from './plan.ts';
import type { Claims } from './positions.ts';
import { type Claim, type EncodedBatch, type Row, RowEncoder, type Shape } from './rows.ts';
import type { TableSession } from './session.ts';

/**
 * A batch as it goes over the wire, without its rows: thousands of them that live until the commit cost the garbage
 * collector more than making them anew for the few batches that are taken apart.
 */
export interface Wire extends Omit<EncodedBatch, 'groups'> {
  /** The encoder that made it: another one knows another table or another rebuild. */
  readonly encoder: RowEncoder;
  /** Of each group, in the order in which they must be written. */
  readonly copies: readonly Copy[];
}

/** Rows of one shape as the data of one COPY. */
export interface Copy {
  readonly shape: Shape;
  readonly rows: number;
  readonly data: Uint8Array;
}

/** Fields without a column that are told of: events whose fields are data have ever new ones. */
const warnedMax = 100;

export class Encoding {
  readonly #options: PostgresSinkOptions;
  readonly #context: SinkContext;
  readonly #session: TableSession;
  readonly #warned = new Set<string>();
  #current: { readonly plan: Plan; readonly claims: Claims; readonly rows: RowEncoder } | null = null;

  constructor(options: PostgresSinkOptions, context: SinkContext, session: TableSession) {
    this.#options = options;
    this.#context = context;
    this.#session = session;
  }

  /** Of the table as it was read last and the claims of this assignment; null without a table. */
  encoder(claims: Claims): RowEncoder | null {
    const { plan } = this.#session;
    if (plan === null) return null;
    if (this.#current?.plan !== plan || this.#current.claims !== claims) {
      const newFields = NewFields.of(plan, this.#options);
      const withRebuild = claims.rebuild > 0 || this.#context.backfillOf !== undefined;
      const rows = new RowEncoder(plan, this.#context.versioned, withRebuild, newFields);
      this.#current = { plan, claims, rows };
    }
    return this.#current.rows;
  }

  /** Null where the table or the position of a partition is not known yet. */
  wire(batch: SinkBatch, claims: Claims): Wire | null {
    const encoded = this.rows(batch, claims, claims.byPartition);
    if (encoded === null) return null;
    const { groups, ...others } = encoded;
    const copies = groups.map(({ shape, rows }) => ({ shape, rows: rows.length, data: copyData(rows) }));
    return { ...others, encoder: this.encoder(claims)!, copies };
  }

  /** The same with its rows, for other positions than those of the claims. */
  rows(batch: SinkBatch, claims: Claims, positions: ReadonlyMap<Partition, Claim>): EncodedBatch | null {
    const encoder = this.encoder(claims);
    if (encoder === null || !batch.ranges.every(({ partition }) => positions.has(partition))) return null;
    this.#warnOfUnknownFields(encoder, batch);
    return encoder.encode(batch, positions);
  }

  /** Looks at one event of each batch; where the fields are known, `open` has checked them all. */
  #warnOfUnknownFields(encoder: RowEncoder, { records }: SinkBatch): void {
    if (this.#options.on_new_field !== 'ignore' || this.#context.fields !== null) return;
    if (records.length === 0 || this.#warned.size >= warnedMax) return;
    const unknown = encoder.unknownFields(records[0]!.event).filter((field) => !this.#warned.has(field));
    if (unknown.length === 0) return;
    for (const field of unknown) this.#warned.add(field);
    this.#context.log.warn(
      'sink_field_ignored',
      `${this.#session.table} has no column for ${unknown.join(', ')}: not written`,
      { sink: this.#context.name },
    );
  }
}

/** What COPY takes. */
export function copyData(rows: readonly Row[]): Uint8Array {
  const lines = rows.map(({ line }) => line);
  // So that the last one ends in a line break too.
  lines.push('');
  return Buffer.from(lines.join('\n'), 'utf8');
}
