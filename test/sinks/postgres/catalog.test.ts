import { expect, test } from 'vitest';
import { parseTableName, tableSql } from '../../../src/sinks/postgres/catalog.ts';

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
