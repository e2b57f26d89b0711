import { DatabaseError } from 'pg';
import { describe, expect, test } from 'vitest';
import { isTransient, reasonOf } from '../../../src/connections/postgres/client.ts';

const databaseError = (code: string, message = 'refused'): Error =>
  Object.assign(new DatabaseError(message, 10, 'error'), { code });

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
