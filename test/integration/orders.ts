/** Orders, the input most end-to-end tests use: how they look, what a pipeline does with them, and what must come of it. */
import type { Message } from './pipeline.ts';

export interface Order {
  /** The key; every order of an id goes to the same partition. */
  readonly id: number;
  /** Unique. */
  readonly n: number;
  readonly status: 'paid' | 'open';
  readonly qty: number;
  readonly price: number;
}

/** Order number `n`; `ids` different ids, every third order is not paid. */
export const order = (n: number, ids: number): Order => ({
  id: (n * 7919) % ids,
  n,
  status: n % 3 === 0 ? 'open' : 'paid',
  qty: (n % 5) + 1,
  price: 100 + (n % 997),
});

export const orders = (from: number, to: number, ids = 500): Order[] =>
  Array.from({ length: to - from }, (_, i) => order(from + i, ids));

export function orderMessage(one: Order, partitions: number): Message {
  return { partition: one.id % partitions, key: String(one.id), value: JSON.stringify(one) };
}

/** Steps that keep paid orders and make them the rows of `orderColumns`. */
export const orderSteps = [
  { filter: 'event.status == "paid"' },
  { map: { id: 'event.id', n: 'event.n', total: 'event.qty * event.price' } },
];
export const orderColumns = ['id', 'n', 'total'];
export const orderTable = {
  upsert: 'id bigint PRIMARY KEY, n bigint NOT NULL, total bigint NOT NULL',
  append: 'id bigint, n bigint NOT NULL, total bigint NOT NULL',
};

/** The rows an append table holds after these orders: what the steps say, written down a second time. */
export const appended = (input: readonly Order[]): number[][] =>
  input.filter(({ status }) => status === 'paid').map(({ id, n, qty, price }) => [id, n, qty * price]);

/** The rows an upsert table holds: the last one of each id. */
export const upserted = (input: readonly Order[]): number[][] => [
  ...new Map(appended(input).map((row) => [row[0], row])).values(),
];
