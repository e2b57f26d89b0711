/**
 * Compiled expressions beside the same in hand-written JavaScript, and the JSON codec. Run: `node --import tsx bench/expressions.ts`.
 * Prints nanoseconds a record, the best of several rounds over 1,000 different records.
 */
import { decodeJson, encodeJson } from '../src/codecs/json.ts';
import { compileExpression, compileObject, type Expression, type Scope } from '../src/expressions/index.ts';

interface Order {
  id: number;
  status: string;
  qty: number;
  price_cents: number;
  customer: { id: string; country: string };
  email: string;
  placed_at: string;
  note: string | null;
}

const scopes = Array.from({ length: 1000 }, (_, i) => ({
  event: JSON.parse(
    JSON.stringify({
      id: i,
      status: i % 5 === 0 ? 'open' : 'paid',
      qty: (i % 7) + 1,
      price_cents: 100 + ((i * 37) % 9000),
      customer: { id: `c${i % 100}`, country: i % 2 === 0 ? 'ES' : 'DE' },
      email: `user${i}@example.org`,
      placed_at: new Date(1_700_000_000_000 + i * 1000).toISOString(),
      note: i % 3 === 0 ? null : 'gift',
    }),
  ) as Order,
  key: null,
  meta: {},
})) satisfies Scope[];

const sink: { last: unknown } = { last: undefined };

function nanoseconds(run: (scope: (typeof scopes)[number]) => unknown): number {
  let best = Infinity;
  for (let round = 0; round < 12; round++) {
    const start = process.hrtime.bigint();
    for (let repeat = 0; repeat < 300; repeat++) for (let i = 0; i < 1000; i++) sink.last = run(scopes[i]!);
    best = Math.min(best, Number(process.hrtime.bigint() - start) / 300_000);
  }
  return best;
}

function compiled(text: string): Expression {
  const result = compileExpression(text);
  if (!result.ok) throw new Error(`${text}: ${result.problems[0]!.message}`);
  return result.expression;
}

function report(
  name: string,
  ours: (scope: (typeof scopes)[number]) => unknown,
  byHand: (scope: (typeof scopes)[number]) => unknown,
): void {
  const [hand, own] = [nanoseconds(byHand), nanoseconds(ours)];
  process.stdout.write(
    `${name.padEnd(44)} ${own.toFixed(1).padStart(8)} ns   by hand ${hand.toFixed(1).padStart(7)} ns   ${(own / hand).toFixed(2)} times\n`,
  );
}

// The loop has seen many functions before the first is measured, else that one alone would be inlined into it.
for (const field of ['id', 'qty', 'status', 'note', 'email'] as const) {
  nanoseconds(compiled(`event.${field}`).evaluate);
}

const filter = compiled('event.status == "paid"');
report(filter.text, filter.evaluate, (scope) => scope.event.status === 'paid');

const total = compiled('event.qty * event.price_cents');
report(total.text, total.evaluate, (scope) => scope.event.qty * scope.event.price_cents);

const columns = {
  id: 'event.id',
  total_cents: 'event.qty * event.price_cents',
  customer: 'event.customer.id',
  country: 'event.customer.country',
  large: 'event.price_cents > 5000',
  note: 'coalesce(event.?note, "none")',
  label: 'event.status + ":" + event.customer.country',
  placed_at: 'event.placed_at',
};
const map = compileObject(Object.fromEntries(Object.entries(columns).map(([name, text]) => [name, compiled(text)])));
report('map of 8 columns', map, ({ event }) => ({
  id: event.id,
  total_cents: event.qty * event.price_cents,
  customer: event.customer.id,
  country: event.customer.country,
  large: event.price_cents > 5000,
  note: event.note ?? 'none',
  label: `${event.status}:${event.customer.country}`,
  placed_at: event.placed_at,
}));

const time = compiled('timestamp(event.placed_at)');
report(
  time.text,
  (scope) => time.evaluate(scope),
  (scope) => new Date(scope.event.placed_at),
);
const lower = compiled('lower(event.email)');
report(
  lower.text,
  (scope) => lower.evaluate(scope),
  (scope) => scope.event.email.toLowerCase(),
);
const matches = compiled('matches(event.email, "^user[0-9]+5@")');
report(
  matches.text,
  (scope) => matches.evaluate(scope),
  (scope) => /^user[0-9]+5@/.test(scope.event.email),
);

const texts = scopes.map(({ event }) => Buffer.from(JSON.stringify(event)));
const exact = scopes.map(({ event }) => Buffer.from(JSON.stringify(event).replace('"id":', '"id":9007199254740993')));
process.stdout.write(`JSON, ${texts[0]!.length} bytes\n`);
report(
  'decodeJson',
  ({ event }) => decodeJson(texts[event.id]!),
  ({ event }) => JSON.parse(texts[event.id]!.toString()),
);
report(
  'decodeJson with an integer beyond 2^53',
  ({ event }) => decodeJson(exact[event.id]!),
  ({ event }) => JSON.parse(exact[event.id]!.toString()),
);
report(
  'encodeJson',
  ({ event }) => encodeJson(event),
  ({ event }) => JSON.stringify(event),
);
