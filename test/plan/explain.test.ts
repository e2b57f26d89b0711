import { describe, expect, it } from 'vitest';
import { explained } from './explained.ts';

const orders = `source:
  kafka: { topic: orders, start: latest }
steps:
  - filter: event.paid == true
    name: paid
  - name: order
    map:
      id: key
      total_cents: int(event.total)
      placed_at: timestamp(event.at)
      tags: split(event.tags, ",")
  - set: { is_large: event.total_cents > 100 }
    name: size
    on_error: drop
  - drop: [tags]
    name: lean
sinks:
  - postgres: { connection: serving, table: orders, key: [id] }
  - stdout: {}
    when: event.is_large
`;
const serving = 'connections: { serving: { postgres: { url: "${PG_URL}" } } }\n';
const withServing = orders + serving;

describe('what is known of the event', () => {
  it('is told after each step, with the types its expressions give', async () => {
    const { steps } = await explained(withServing);
    const known = steps.map(({ name, event }) => [
      name,
      event.fields === null ? null : Object.fromEntries(event.fields.map((field) => [field.name, field.type])),
    ]);
    const mapped = { id: 'any', total_cents: 'int', placed_at: 'timestamp' };
    expect(known).toEqual([
      ['paid', null],
      ['order', { ...mapped, tags: 'list of string' }],
      ['size', { ...mapped, tags: 'list of string', is_large: 'bool' }],
      ['lean', { ...mapped, is_large: 'bool' }],
    ]);
  });

  it('of fields that are set on an unknown event says that there may be others', async () => {
    const { steps } = await explained(
      'source: { file: { path: a.ndjson } }\nsteps: [ { set: { n: 1 } }, { explode: event.lines }, { keep: [n, other] } ]\nsinks: [ { stdout: {} } ]\n',
    );
    expect(steps.map(({ event }) => event)).toEqual([
      { fields: [{ name: 'n', type: 'int' }], open: true },
      {
        fields: [
          { name: 'n', type: 'int' },
          { name: 'item', type: 'any' },
          { name: 'index', type: 'int' },
        ],
        open: true,
      },
      {
        fields: [
          { name: 'n', type: 'int' },
          { name: 'other', type: 'any' },
        ],
        open: false,
      },
    ]);
  });

  it('drops a field inside a field, and knows the elements of a list', async () => {
    const { steps } = await explained(
      'source: { file: { path: a.ndjson } }\nsteps: [ { map: { a: \'{"b": 1, "c": "x"}\', l: "[1, 2]" } }, { drop: [a.b] }, { explode: event.l } ]\nsinks: [ { stdout: {} } ]\n',
    );
    expect(steps.at(-1)?.event.fields).toEqual([
      { name: 'a', type: '{ c: string }' },
      { name: 'l', type: 'list of int' },
      { name: 'item', type: 'int' },
      { name: 'index', type: 'int' },
    ]);
  });
});

describe('where each value comes from', () => {
  const originOf = async (text: string, name: string, options: Parameters<typeof explained>[1] = {}) => {
    const { sources, connections, settings, sinks } = await explained(text, options);
    const all = [...sources, ...connections, ...sinks].flatMap((component) => component.settings);
    return [...settings, ...all].find((setting) => setting.name === name)?.origin;
  };

  it('is a line of the pipeline file, or the default', async () => {
    expect(await originOf(withServing, 'topic')).toEqual({ from: 'pipeline', text: 'orders.yaml:2' });
    expect(await originOf(withServing, 'fetch_wait')).toEqual({ from: 'default', text: 'default' });
    expect(await originOf(withServing, 'group')).toEqual({ from: 'default', text: "default: the pipeline's name" });
  });

  it('is the project file', async () => {
    expect(await originOf(orders, 'url', { project: `vars: {}\n${serving}` })).toEqual({
      from: 'project',
      text: 'pipectl.yaml:2 $PG_URL (not set)',
    });
  });

  it('is --set, also for what lies below what was set', async () => {
    const set = ['sinks[0].postgres.table=other', 'sinks[0].postgres.guard={ schema: s }'];
    expect(await originOf(withServing, 'table', { set })).toEqual({ from: 'set', text: '--set' });
    expect(await originOf(withServing, 'guard.schema', { set })).toEqual({ from: 'set', text: '--set' });
    expect(await originOf(withServing, 'key', { set })).toMatchObject({ from: 'pipeline' });
  });

  it('is the environment, which names the brokers where nobody else does', async () => {
    expect(await originOf(withServing, 'brokers', { env: { KAFKA_BROKERS: 'b:1' } })).toEqual({
      from: 'environment',
      text: '$KAFKA_BROKERS',
    });
    expect(await originOf(withServing, 'brokers')).toMatchObject({ from: 'default' });
    const own = `${withServing}kafka: { brokers: '\${B:-x:1}' }\n`;
    expect(await originOf(own, 'brokers', { env: { KAFKA_BROKERS: 'b:1', B: 'c:1' } })).toEqual({
      from: 'pipeline',
      text: 'orders.yaml:22 $B',
    });
  });
});

describe('no secret', () => {
  const secret = 'hunter22-very-secret';
  const everything = `description: knows ${secret}
source: { kafka: { topic: orders } }
kafka: { brokers: b:1, sasl: { mechanism: plain, username: me, password: '\${SASL}' } }
vars: { pepper: '\${PEPPER}', salt: '\${file:/project/salt}', list: ['\${PEPPER}'], plain: 1 }
steps: [ { set: { h: 'hmac_sha256("${secret}", "x")' } } ]
sinks: [ { postgres: { url: 'postgres://me:\${PW}@db:5432/shop?password=\${PW}', table: t, key: [id] } } ]
`;
  const env = { SASL: secret, PW: secret, PEPPER: 'pepper-in-the-environment' };

  it('is shown, whatever it came from; where a URL leads is', async () => {
    const text = JSON.stringify(await explained(everything, { env, files: { '/project/salt': 'salt-in-a-file' } }));
    for (const hidden of [secret, env.PEPPER, 'salt-in-a-file']) expect(text).not.toContain(hidden);
    expect(text).toContain('postgres://db:5432/shop');
  });

  it('is shown where a part of it is not known, either', async () => {
    const text = everything.replaceAll('${PW}@db', 'open-in-the-file@${HOST}').replaceAll('=${PW}', '=x');
    const { connections } = await explained(text, { env: { SASL: secret, PEPPER: 'p' } });
    expect(JSON.stringify(connections)).not.toContain('open-in-the-file');
  });

  it('is needed: a variable that is not set is shown by its name', async () => {
    const { connections } = await explained(withServing);
    expect(connections[0]?.settings).toMatchObject([{ name: 'url', value: '${PG_URL}' }]);
  });

  it('and of vars only what stands in the file in plain sight', async () => {
    const { vars } = await explained(everything, { env });
    expect(vars.map(({ name, value }) => [name, value])).toEqual([
      ['pepper', '***'],
      ['salt', '***'],
      ['list', '***'],
      ['plain', 1],
    ]);
  });
});

describe('the delivery verdict of a sink', () => {
  const order = /order across partitions is not kept/;
  const limits = async (text: string): Promise<string> => {
    const { sinks } = await explained(text);
    return (sinks[0]?.delivery.limits ?? []).join('\n');
  };
  const mapped = (id: string): string => withServing.replace('id: key', `id: ${id}`);

  it('has no objection to the order where a key column is the key of the record', async () => {
    expect(await limits(withServing)).not.toMatch(order);
    expect(await limits(withServing.replace('key: [id]', 'key: [total_cents, id]'))).not.toMatch(order);
  });

  it.for(['event.id', 'lower(key)', 'key.id'])(
    'says that order across partitions is not kept for the key %s',
    async (id) => {
      expect(await limits(mapped(id))).toMatch(order);
    },
  );

  it('follows the key through steps, and loses it where another value takes its place', async () => {
    const step = (text: string) => withServing.replace('  - drop: [tags]', `  - ${text}\n  - drop: [tags]`);
    const rest = 'tags: event.tags, is_large: event.is_large';
    expect(await limits(step(`map: { id: event.id, ${rest} }`))).not.toMatch(order);
    expect(await limits(step('set: { id: event.total_cents }'))).toMatch(order);
    expect(await limits(step('set: { other: event.id }').replace('key: [id]', 'key: [other]'))).not.toMatch(order);
  });

  it('says so for several topics too, each of which is a log of its own', async () => {
    expect(await limits(withServing.replace('topic: orders', 'topics: [orders, returns]'))).toMatch(order);
    expect(await limits(withServing.replace('topic: orders', 'topics: /orders$/'))).toMatch(order);
    expect(await limits(withServing.replace('topic: orders', 'topics: [orders]'))).not.toMatch(order);
  });

  it('of one file is in the order of the file; of several it is not', async () => {
    const file = (path: string) =>
      mapped('event.id').replace('kafka: { topic: orders, start: latest }', `file: { path: ${path} }`);
    expect(await limits(file('a.ndjson'))).not.toMatch(order);
    expect(await limits(file('"*.ndjson"'))).toMatch(order);
    expect(await limits(file('[a.ndjson, b.ndjson]'))).toMatch(order);
  });

  it('is settled by a version, which needs a place in the table or beside it', async () => {
    const versioned = mapped('event.id').replace('key: [id] }\n', 'key: [id] }\n    version: event.placed_at\n');
    expect(await limits(versioned)).not.toMatch(order);
    expect(await limits(versioned)).toMatch(/needs a place: .* in the table/);
    expect(await limits(versioned.replace('key: [id]', 'key: [id], guard: { versions: side }'))).toBe('');
    expect(await limits(versioned.replace('key: [id]', 'key: [id], create: true'))).toBe('');
    expect(await limits(mapped('event.id').replace('key: [id]', 'key: [id], version_column: placed_at'))).toBe('');
  });

  it('says what a row without a version can not tell', async () => {
    expect(await limits(withServing)).toMatch(/processed again out of order/);
    expect(await limits(withServing.replace('key: [id]', 'key: [id], create: true'))).toBe('');
  });

  it('of rows that are appended speaks of rows', async () => {
    const { sinks } = await explained(withServing.replace('key: [id]', 'mode: append'));
    expect(sinks[0]?.delivery).toMatchObject({ verdict: 'effectively once', limits: [] });
    expect(sinks[0]?.delivery.reason).toMatch(/^rows and positions/);
    expect(sinks[1]?.delivery.verdict).toBe('at least once');
  });
});

describe('what a cluster must give', () => {
  it('is the rights to read, to be in the group and to write dead letters, and no more', async () => {
    const { kafka } = await explained(`name: shop\ngroup: readers\n${withServing}`);
    expect(kafka?.acls.map(({ resource, name, pattern, operations }) => [resource, name, pattern, operations])).toEqual(
      [
        ['topic', 'orders', 'literal', ['READ', 'DESCRIBE']],
        ['group', 'readers', 'literal', ['READ']],
        ['topic', 'shop.dlq', 'literal', ['WRITE', 'READ', 'DESCRIBE', 'CREATE']],
        ['topic', 'shop.dlq.state', 'literal', ['READ', 'DESCRIBE']],
      ],
    );
    expect(kafka?.topics).toMatchObject([
      { topic: 'orders', role: 'source', createdByRun: false },
      { topic: 'shop.dlq', role: 'dead letters', partitions: 1, createdByRun: true },
    ]);
  });

  it.for([
    [String.raw`/^shop\.orders\..*/`, 'shop.orders.', 'prefixed'],
    ['/^shop-[ab]/', 'shop-', 'prefixed'],
    ['/^shops?$/', 'shop', 'prefixed'],
    ['/^a|b/', '*', 'literal'],
    ['/orders$/', '*', 'literal'],
    ['/^.*x/', '*', 'literal'],
  ] as const)('for the topics %s is a right on %s', async ([topics, name, pattern]) => {
    const { kafka } = await explained(withServing.replace('topic: orders', `topics: '${topics}'`));
    expect(kafka?.acls[0]).toMatchObject({ name, pattern });
  });

  it('is nothing without Kafka', async () => {
    const { kafka, settings, deadLetters } = await explained(
      'source: { file: { path: a.csv } }\nsinks: [ { stdout: {} } ]\n',
    );
    expect(kafka).toBeNull();
    expect(settings.map(({ name }) => name)).toEqual(['name']);
    expect(deadLetters).toMatchObject({ name: 'file', value: '/project/orders.dlq.ndjson' });
  });
});

it('a pipeline without state is one stage without internal topics, from what it reads to what it writes', async () => {
  const {
    stages,
    internalTopics,
    sources: [source],
  } = await explained(`time: { field: event.ms, unit: ms, ahead: 90s }\n${withServing}`);
  expect(stages).toEqual([
    {
      kind: 'sink',
      state: 'none',
      reads: 'orders',
      steps: ['paid', 'order', 'size', 'lean'],
      writes: ['postgres', 'stdout'],
      group: 'orders',
    },
  ]);
  expect(internalTopics).toEqual([]);
  expect(source?.decode).toEqual({ values: 'json', keys: 'text' });
  expect(source?.eventTime.expression).toBe('millis(event.ms)');
  expect(source?.eventTime.settings.at(-1)).toMatchObject({ name: 'ahead', value: '90s' });
});

it('warnings come with their place', async () => {
  const { warnings } = await explained(
    'source: { file: { path: a.csv } }\nsinks: [ { stdout: {}, when: otherwise } ]\n',
  );
  expect(warnings).toMatchObject([{ code: 'otherwise_alone', place: '/project/orders.yaml:2:30' }]);
});
