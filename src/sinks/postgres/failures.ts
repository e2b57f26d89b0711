/** What the server refuses, in the engine's terms. Refusals of single rows are `isolate.ts`'s. */
import type { DatabaseError } from 'pg';
import { isTransient, reasonOf, sqlState } from '../../connections/postgres/client.ts';
import { Fenced, SinkUnavailable, TooManyRejections } from '../../engine/ports.ts';
import { PipectlError } from '../../errors.ts';
import type { Table } from './catalog.ts';
import type { TableSession } from './session.ts';

/** A row waits for its parent, without a transaction: the batch is to be written again. */
export class ParentMissing extends SinkUnavailable {}

/** What is thrown in place of `error`. Drops the connection where nobody knows what became of it. */
export function failureOf(error: unknown, doing: string, session: TableSession): unknown {
  const isTold = [PipectlError, Fenced, TooManyRejections, ParentMissing].some((kind) => error instanceof kind);
  if (isTold) return error;
  if (error instanceof SinkUnavailable || isTransient(error)) {
    session.drop();
    return error instanceof SinkUnavailable
      ? error
      : new SinkUnavailable(`${doing}: ${reasonOf(error)}`, { cause: error });
  }
  const state = sqlState(error);
  if (state === undefined) return error;
  const message = `${doing} ${session.table}: ${reasonOf(error)}`;
  return state === '42501'
    ? new PipectlError('sink_rights', message, { hint: session.grants(), cause: error })
    : new PipectlError('sink_failed', message, { cause: error });
}

const nullRefused = '23502';

/** A table, column or type is not what it was, or a column needs a value it did not need. */
export const isSchemaError = (error: unknown): boolean => {
  const state = sqlState(error);
  return state !== undefined && ((state.startsWith('42') && state !== '42501') || state === nullRefused);
};

/** A column of this table refused to be without a value. */
export const isNullIn = (error: unknown, { schema, name }: Table): error is DatabaseError =>
  sqlState(error) === nullRefused &&
  (error as DatabaseError).schema === schema &&
  (error as DatabaseError).table === name;
