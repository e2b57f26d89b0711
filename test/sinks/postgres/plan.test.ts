import { describe, expect, test } from 'vitest';
import { isTransient, reasonOf } from '../../../src/connections/postgres/client.ts';
import { DatabaseError } from 'pg';
import { parseTableName, tableSql } from '../../../src/sinks/postgres/catalog.ts';
import { closest } from '../../../src/sinks/postgres/plan.ts';

const databaseError = (code: string, message = 'refused'): Error =>
  Object.assign(new DatabaseError(message, 10, 'error'), { code });

test.each([
  ['orders', '"orders"'],
  ['shop.orders', '"shop"."orders"'],
  ['Orders', '"Orders"'],
  ['"odd.name"', '"odd.name"'],
  ['shop."a""b"', '"shop"."a""b"'],
  ['x; DROP TABLE y', '"x; DROP TABLE y"'],
])('table %s is written %s', (text, sql) => {
  expect(tableSql(parseTableName(text)!)).toBe(sql);
});

test.each(['a.b.c', '', '"open', '.orders'])('%o is no name of a table', (text) => {
  expect(parseTableName(text)).toBeUndefined();
});

test('a misspelt name finds the one that was meant, and an unrelated one finds none', () => {
  expect(closest('total_cent', ['id', 'total_cents', 'total'])).toBe('total_cents');
  expect(closest('customer', ['id', 'qty'])).toBeUndefined();
});

describe('an error of the database', () => {
  test.each(['08006', '40001', '40P01', '53300', '25006', '25P03', '55P03', '57P01', '57P03'])(
    '%s may pass',
    (code) => {
      expect(isTransient(databaseError(code))).toBe(true);
    },
  );
  test.each(['22001', '23505', '42703', '42501', '57014', 'P0001', '57P04'])('%s does not pass by waiting', (code) => {
    expect(isTransient(databaseError(code))).toBe(false);
  });
  test('a refused or broken connection may pass, a bug may not', () => {
    expect(isTransient(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }))).toBe(true);
    expect(isTransient(new Error('Connection terminated unexpectedly'))).toBe(true);
    expect(isTransient(new TypeError('undefined is not a function'))).toBe(false);
    expect(isTransient(Object.assign(new Error('self-signed'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }))).toBe(false);
  });
  test('is told without the value it quotes, and not at any length', () => {
    expect(reasonOf(databaseError('22P02', 'invalid input syntax for type inet: "4111 1111"'))).toBe(
      'invalid input syntax for type inet: "..." (SQLSTATE 22P02)',
    );
    expect(reasonOf(new Error('x'.repeat(10_000))).length).toBe(300);
  });
});
