import { describe, expect, it } from 'vitest';
import { interpolate } from '../../src/definition/interpolation.ts';
import { loadPipeline, type LoadOptions } from '../../src/definition/load.ts';
import { testComponents } from './test-components.ts';

const env = {
  A: 'x',
  EMPTY: '',
  PORT: '9092',
  LIST: 'a, b',
  YES: 'true',
  PASSWORD: 'hunter22',
  URL: 'postgres://app:p%40ss@db/shop',
};

const text = (input: string, mode: 'validate' | 'run' = 'run') =>
  interpolate(input, { env, mode, readFile: (path) => `content of ${path}\n` });

describe('interpolation', () => {
  it.for([
    ['${A}', 'x'],
    ['a-${A}-${A}', 'a-x-x'],
    ['${NONE:-d}', 'd'],
    ['${EMPTY:-d}', 'd'],
    ['${EMPTY}', ''],
    ['${NONE:-}', ''],
    ['${NONE:-host:9092}', 'host:9092'],
    ['${A:?must be set}', 'x'],
    ['$${A}', '${A}'],
    ['$${A} ${A}', '${A} x'],
    ['${file:/run/secrets/pg}', 'content of /run/secrets/pg'],
  ] as const)('%s becomes %s', ([input, output]) => {
    expect(text(input)).toMatchObject({ text: output, known: true, problems: [] });
  });

  it.for(['$A', 'a$b', '{A}', '$', ''])('%s is left alone', (input) => expect(text(input)).toBeNull());

  it('an unset variable is an error for `run` and unknown for `validate`', () => {
    expect(text('a ${NONE}')?.problems).toMatchObject([
      { code: 'variable_unset', start: 2, end: 9, message: 'the environment variable NONE is not set' },
    ]);
    expect(text('${NONE:?the broker list}')?.problems).toMatchObject([{ message: 'NONE: the broker list' }]);
    expect(text('${NONE}', 'validate')).toMatchObject({ known: false, problems: [] });
    expect(text('${NONE:?the broker list}', 'validate')).toMatchObject({ known: false, problems: [] });
  });

  it('`validate` opens no secret file', () =>
    expect(text('${file:/run/secrets/pg}', 'validate')).toMatchObject({ known: false, secrets: [] }));

  it('what comes in is not interpolated again', () => {
    expect(interpolate('${X}', { env: { X: '${A}', A: 'secret' }, mode: 'run', readFile: String })?.text).toBe('${A}');
  });
});

const load = (body: string, options: Partial<LoadOptions> = {}) =>
  loadPipeline('/p/orders.yaml', {
    env,
    mode: 'run',
    components: testComponents,
    readFile: (path) => {
      if (path === '/p/orders.yaml') return body;
      if (path === '/run/secrets/pg') return 'swordfish\n';
      throw Object.assign(new Error('none'), { code: 'ENOENT' });
    },
    ...options,
  });

const pipeline = (kafka: string, more = '') => `source: { kafka: { ${kafka} } }\n${more}sinks: [ { stdout: {} } ]\n`;

describe('interpolation in a file', () => {
  it('text that looks like a number stays text where text is wanted', async () => {
    const { definition } = await load(pipeline("topic: '${PORT}', topics: '${LIST}'"));
    expect(definition?.sources[0].options).toMatchObject({ topic: '9092', topics: 'a, b' });
  });

  it('becomes a number, a truth value or a list where only that is wanted', async () => {
    const body =
      "source: { file: { path: a, header: '${YES}' } }\nconnections: { s: { postgres: { url: u, pool: '${PORT}' } } }\nsinks: [ { postgres: { connection: s, table: t, key: '${LIST}' } } ]\n";
    const { definition, problems } = await load(body);
    expect(problems.sorted()).toEqual([]);
    expect(definition?.sources[0].options).toMatchObject({ header: true });
    expect(definition?.connections.s?.options.pool).toBe(9092);
    expect(definition?.sinks[0]?.options).toMatchObject({ key: ['a', 'b'] });
  });

  it('leaves expressions, keys and comments alone', async () => {
    const { definition, problems } = await load(
      pipeline('topic: a', "steps: # ${NONE}\n  - filter: event.a == '${NONE}'\n  - set: { '${NONE}': event.b }\n"),
    );
    expect(problems.sorted()).toEqual([]);
    expect(definition?.steps.map(({ options }) => options)).toEqual(["event.a == '${NONE}'", { '${NONE}': 'event.b' }]);
  });

  it('cannot change the structure of the file', async () => {
    const { definition } = await load(pipeline("topic: '${EVIL}'"), { env: { EVIL: 'a }\nname: owned' } });
    expect(definition?.name).toBe('orders');
    expect(definition?.sources[0].options).toMatchObject({ topic: 'a }\nname: owned' });
  });

  it('an unknown value passes any check of its own, but not those of its neighbours', async () => {
    const { problems } = await load(
      pipeline(
        "topic: '${NONE}', start: '${NONE}', fetch: '${NONE}', partitions: ['${NONE}', x]",
        "batch: { every: '${NONE}' }\n",
      ),
      { mode: 'validate' },
    );
    expect(problems.sorted().map(({ path, code }) => [path, code])).toEqual([
      ['source.kafka.partitions[1]', 'type_wrong'],
    ]);
  });

  it('an unset variable is pointed at inside its text', async () => {
    const { problems } = await load('source:\n  kafka:\n    topic: shop.${NONE}.v1\nsinks: [ { stdout: {} } ]\n');
    expect(problems.sorted()).toMatchObject([{ code: 'variable_unset', line: 3, column: 17, endColumn: 24 }]);
  });

  it('a problem in an interpolated text is pointed at where it stands in the file', async () => {
    const { problems } = await load(
      "source: { kafka: { topic: a } }\nconnections: { s: { postgres: { url: u } } }\nsinks: [ { postgres: { connection: s, table: '${A:-none}.{event.bad}' } } ]\n",
    );
    problems.at(['sinks', 0, 'postgres', 'table'], 'type_wrong', 'bad', { span: { start: 3, end: 12 } });
    expect(problems.sorted()).toMatchObject([{ line: 3, column: 59, endColumn: 68 }]);
  });
});

describe('secrets', () => {
  it('are collected from files, from options that are secret, and from passwords in URLs', async () => {
    const { definition, problems } = await load(
      pipeline(
        "topic: '${file:/run/secrets/pg}'",
        "kafka: { brokers: b, password: '${PASSWORD}' }\nconnections: { s: { postgres: { url: '${URL}' } } }\n",
      ),
    );
    expect(problems.sorted()).toEqual([]);
    expect(definition?.secrets.toSorted()).toEqual(['hunter22', 'p%40ss', 'p@ss', 'swordfish']);
  });

  it('a file that is missing is an error that does not quote it', async () => {
    const { problems } = await load(pipeline("topic: '${file:/run/secrets/none}'"));
    expect(problems.sorted()).toMatchObject([
      { code: 'secret_file', message: 'the file /run/secrets/none could not be read (ENOENT)' },
    ]);
  });

  it('are blotted out in the line a problem shows and in its message', async () => {
    const { problems } = await load(
      pipeline('topic: a', 'kafka: { brokers: b, password: s3cr3t-value, s3cr3t-value: 1 }\n'),
    );
    const shown = JSON.stringify(problems.sorted());
    expect(problems.sorted().length).toBeGreaterThanOrEqual(2);
    expect(shown).not.toContain('s3cr3t-value');
  });
});
