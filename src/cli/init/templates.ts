/** What `pipectl init` writes: a pipeline and its test, both sound as they are. */

export interface Template {
  readonly summary: string;
  readonly pipeline: string;
  readonly test: string;
  /** What to do after it is written, `FILE` standing for the pipeline. */
  readonly next: readonly string[];
}

export const templates: Readonly<Record<string, Template>> = {
  'generated-to-stdout': {
    summary: 'made-up orders, printed; needs nothing',
    pipeline: `description: Paid orders, one line of JSON each.

source:
  generate:
    rate: 10/s
    event:
      id: sequence
      status: { choice: { paid: 8, open: 2 } }
      customer: name
      country: country
      qty: { int: { min: 1, max: 5 } }
      price_cents: { int: { min: 100, max: 20000 } }
      placed_at: time

steps:
  - filter: event.status == "paid"
  - set:
      total_cents: event.qty * event.price_cents
  - drop: [status]

sinks:
  - stdout: {}
`,
    test: `cases:
  - name: a paid order gets its total
    events:
      - { id: 1, status: paid, qty: 2, price_cents: 150 }
    expect:
      rows:
        - { id: 1, total_cents: 300 }

  - name: an open order is left out
    events:
      - { id: 1, status: open, qty: 2, price_cents: 150 }
    expect:
      rows: []
      filtered: 1
`,
    next: ['pipectl run FILE'],
  },
  'file-to-file': {
    summary: 'a file of JSON lines or CSV into a file of JSON lines; needs nothing',
    pipeline: `description: Reads orders.ndjson to its end and writes what was paid.

source:
  file: { path: orders.ndjson }        # or orders.csv, or logs/*.ndjson

steps:
  - filter: event.status == "paid"
  - map:
      id: event.id
      total_cents: event.qty * event.price_cents
      coupon: event.?coupon            # null where it is absent

sinks:
  - file: { path: paid.ndjson }
`,
    test: `cases:
  - name: a paid order becomes a row
    events:
      - { id: 1, status: paid, qty: 2, price_cents: 150 }
    expect:
      exact: true
      rows:
        - { id: 1, total_cents: 300, coupon: null }

  - name: an order without a quantity is a dead letter, and costs no other
    events:
      - { id: 1, status: paid, price_cents: 150 }
      - { id: 2, status: paid, qty: 1, price_cents: 150 }
    expect:
      rows: [{ id: 2 }]
      dead_letters: [{ record: 0, code: field_missing, message: event.qty }]
`,
    next: ['put a file orders.ndjson beside it', 'pipectl run FILE'],
  },
  'kafka-to-postgres': {
    summary: 'a Kafka topic into a PostgreSQL table, each row once',
    pipeline: `description: Paid orders into a table with one row an order.

source:
  kafka:
    brokers: '\${KAFKA_BROKERS:-localhost:9092}'
    topic: shop.orders.placed.v1

steps:
  - filter: event.status == "paid"
  - map:
      id: event.id
      total_cents: event.qty * event.price_cents
      placed_at: timestamp(event.placed_at)

sinks:
  - postgres:
      url: '\${PG_URL:-postgres://localhost:5432/postgres}'
      table: orders
      key: [id]
      create: true                     # makes the table where it is missing
`,
    test: `cases:
  - name: a paid order becomes a row
    events:
      - { id: 1, status: paid, qty: 2, price_cents: 150, placed_at: 2026-01-01T12:00:00Z }
    expect:
      exact: true
      rows:
        - { id: 1, total_cents: 300, placed_at: 2026-01-01T12:00:00Z }

  - name: an open order is left out
    events:
      - { id: 1, status: open, qty: 2, price_cents: 150, placed_at: 2026-01-01T12:00:00Z }
    expect:
      rows: []
      filtered: 1
`,
    next: ['export KAFKA_BROKERS=... PG_URL=...', 'pipectl run FILE --dry-run', 'pipectl run FILE'],
  },
};
