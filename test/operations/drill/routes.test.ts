import { describe, expect, it } from 'vitest';
import { rerouted } from '../../../src/operations/drill/routes.ts';

const routes = [
  { host: 'db.example', port: 5432, to: 40_001 },
  { host: 'localhost', port: 9092, to: 40_002 },
];
const done = () => {};
const there = { host: '127.0.0.1', port: 40_001 };

describe('where a connection of a drilled process goes', () => {
  it.for([
    ['options', [{ host: 'DB.example', port: 5432, keepAlive: true }, done], [{ ...there, keepAlive: true }, done]],
    ['port and host', [5432, 'db.example', done], [there, done]],
    ['a port as text', ['5432', 'db.example'], [there]],
    ['a port of this machine', [9092, done], [{ host: '127.0.0.1', port: 40_002 }, done]],
    ['what net.connect hands on', [[{ host: 'db.example', port: '5432' }, done]], [[there, done]]],
  ] as const)('is its proxy: %s', ([, given, expected]) => {
    expect(rerouted(structured(given), routes)).toEqual(expected);
  });

  it.for([
    ['another port', [{ host: 'db.example', port: 5433 }]],
    ['another host', [{ host: 'elsewhere', port: 5432 }, done]],
    ['a socket of this machine', ['/run/db.sock', done]],
    ['one in options', [{ path: '/run/db.sock' }]],
  ] as const)('is what was asked for: %s', ([, given]) => {
    expect(rerouted(given, routes)).toEqual(given);
  });
});

/** A copy whose lists may be changed. */
const structured = (given: readonly unknown[]): unknown[] =>
  given.map((item) => (Array.isArray(item) ? [...(item as unknown[])] : item));
