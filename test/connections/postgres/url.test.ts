import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { postgresConnection } from '../../../src/connections/postgres/index.ts';

const { pattern } = postgresConnection.options.properties.url as unknown as { readonly pattern: string };
const accepts = (url: string): boolean => new RegExp(pattern, 'u').test(url);

describe('the url of a postgres connection', () => {
  it.each([
    ['postgres://me:pass@db:5432/shop', 'me@db:5432/shop'],
    ['postgresql://me@db', 'me@db:5432/me'],
    ['postgres://me:p@ss:word@db/shop?sslmode=disable', 'me@db:5432/shop'],
    ['postgres://me:p%2Fss%23@db.example.com:6432/shop', 'me@db.example.com:6432/shop'],
    ['postgres://me@[::1]:5432/shop', 'me@::1:5432/shop'],
    ['postgres:///shop?host=/run/postgresql&user=me', 'me@/run/postgresql:5432/shop'],
    ['postgres://me@%2Frun%2Fpostgresql/shop', 'me@/run/postgresql:5432/shop'],
  ])('%s is taken, and read as it is meant', (url, meant) => {
    expect(accepts(url)).toBe(true);
    const { user, host, port, database } = new Client(url);
    expect(`${user}@${host.replace(/^\[|\]$/g, '')}:${port}/${database}`).toBe(meant);
  });

  it.each([
    'not a url',
    'mysql://me@db/shop',
    'postgres:/me@db/shop',
    'postgres://',
    'postgres://me:pa/ss@db/shop',
    'postgres://me:12/34@db/shop',
    'postgres://me:pa#ss@db/shop',
    'postgres://me:pa?ss@db:5432/shop',
    'postgres://me:12?ss@db:5432/shop',
    'postgres://me@db:port/shop',
    'postgres://one:5432,two:5432/shop',
    'postgres://me@db/shop and more',
  ])('%s is refused', (url) => {
    expect(accepts(url)).toBe(false);
  });

  it.each(['${PG_URL}', 'postgres://me:${PG_PASSWORD}@${PG_HOST}/shop'])('%s is taken by an editor', (url) => {
    expect(accepts(url)).toBe(true);
  });
});
