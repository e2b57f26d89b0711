import { quoteIdentifier } from '../../connections/postgres/client.ts';
import type { SinkContext } from '../../declaration/component.ts';
import { PipectlError } from '../../errors.ts';
import { ownVersionColumn, type Plan } from './plan.ts';

/** Beside the live pipeline nothing but a row's version keeps old rows from replacing newer ones. */
export function checkBackfill({ table, keyCount, guard }: Plan, { log, name }: SinkContext): void {
  if (keyCount === 0) {
    const message = `${table.sql} takes rows by append: those the live pipeline has written of these records are there twice`;
    log.warn('backfill_appends', message, { sink: name });
  } else if (guard.kind === 'none') {
    throw new PipectlError(
      'backfill_unguarded',
      `${table.sql} has no column for the version of a row, so a backfill would replace newer rows of the live pipeline`,
      {
        hint: `ALTER TABLE ${table.sql} ADD COLUMN ${quoteIdentifier(ownVersionColumn)} bigint[]; or keep versions beside the table, guard: { versions: side }. Restart the live pipeline then: a row without a version is replaced by any`,
      },
    );
  }
}
