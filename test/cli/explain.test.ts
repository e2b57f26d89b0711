import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { explanationText } from '../../src/cli/explain-text.ts';
import { registerExplain } from '../../src/cli/explain.ts';
import { explained } from '../plan/explained.ts';

const orders = `name: orders
description: Paid orders
source: { kafka: { topic: orders } }
kafka: { brokers: b:9092 }
steps:
  - filter: event.status == "paid"
    name: paid
  - name: order
    map: { id: event.id, total_cents: event.qty * 2 }
sinks:
  - postgres: { url: '\${PG_URL}', table: orders, key: [id] }
  - stdout: {}
    when: event.total_cents > 5
`;

let directory: string;
let output: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pipectl-explain-'));
  output = '';
  vi.stubEnv('PG_URL', undefined);
  vi.stubEnv('KAFKA_BROKERS', undefined);
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    output += String(text);
    return true;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

async function explain(text: string, ...argv: readonly string[]): Promise<string> {
  const file = join(directory, 'orders.yaml');
  writeFileSync(file, text);
  output = '';
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  registerExplain(program);
  await program.parseAsync(['explain', file, ...argv], { from: 'user' });
  return output;
}

describe('pipectl explain', () => {
  it('tells the whole way of an event without a service and without a variable that is set', async () => {
    const text = await explain(orders);
    for (const line of [
      'orders: Paid orders',
      '1  sink stage, keeps no state: reads orders through paid, order, writes to postgres, stdout',
      'SOURCE  kafka, connection kafka',
      /^ {2}start +earliest +default$/m,
      /^ {5}filter +event\.status == "paid" +orders\.yaml:6$/m,
      'event after it: its fields are not known',
      'event after it: id any, total_cents number',
      'gets events for which event.total_cents > 5',
      'delivery: effectively once: upserted rows and positions',
      '! order across partitions is not kept',
      'delivery: at least once: what was printed before a crash is printed again',
      /^ {2}topic +orders\.dlq +default: NAME\.dlq$/m,
      'none: no step keeps state',
      /^ {5}url +\$\{PG_URL\} +orders\.yaml:11 \$PG_URL \(not set\)$/m,
    ])
      expect(text).toMatch(
        typeof line === 'string' ? new RegExp(RegExp.escape(line).replaceAll(/\\x20| /g, '\\s+')) : line,
      );
  });

  it('is as wide as the terminal, where sentences are concerned', async () => {
    const text = explanationText(await explained(orders), null, 60);
    const sentences = text.split('\n').filter((line) => /delivery|!|partitions/.test(line));
    expect(Math.max(...sentences.map((line) => line.length))).toBeLessThanOrEqual(60);
  });

  it('-o json is the same for programs', async () => {
    const json = JSON.parse(await explain(orders, '-o', 'json', '--set', 'group=other')) as Record<string, unknown>;
    expect(json).toMatchObject({
      name: 'orders',
      settings: [{ name: 'name' }, { name: 'group', value: 'other', origin: { from: 'set', text: '--set' } }],
      sinks: [
        { key: ['id'], mode: 'upsert', delivery: { verdict: 'effectively once' } },
        { when: 'event.total_cents > 5' },
      ],
      warnings: [],
    });
    expect(json).not.toHaveProperty('live');
  });

  it('-o mermaid is a flowchart whose labels can hold any expression', async () => {
    const text = await explain(orders.replace('"paid"', '"a]->#b`"'), '-o', 'mermaid');
    expect(text).toMatch(/^flowchart LR\n/);
    expect(text).toContain('step0["paid (filter): event.status == #34;a]-#62;#35;b#96;#34;"]');
    expect(text).toContain('step1 -->|"event.total_cents #62; 5"| sink1');
    expect(text).toContain('step1 -.-> dlq');
    for (const line of text.split('\n').slice(1, -1))
      expect(line).toMatch(/^ {2}(\w+(\[\(|\[)"[^"]*"(\)\]|\])|\w+ (-->|-\.->)(\|"[^"]*"\|)? \w+)$/);
  });

  it('of a step that drops what fails draws no way to the dead letters', async () => {
    const text = await explain(orders.replace('name: order\n', 'name: order\n    on_error: drop\n'), '-o', 'mermaid');
    expect(text).toContain('step0 -.-> dlq');
    expect(text).not.toContain('step1 -.-> dlq');
  });

  it('--topics and --acls print what to create, with the commands', async () => {
    const text = await explain(orders, '--topics', '--acls');
    expect(text).toMatch(/^orders\.dlq +dead letters +1 +cleanup\.policy=delete retention\.ms=604800000 /m);
    expect(text).toMatch(/^kafka-topics\.sh --bootstrap-server b:9092 --create .*--topic orders\.dlq --partitions 1 /m);
    expect(text).toMatch(/^topic +orders +READ DESCRIBE +reads records$/m);
    expect(text.match(/^kafka-acls\.sh /gm)).toHaveLength(4);
    expect(text).not.toContain('STAGES');
  });

  it('--acls -o json gives them to programs', async () => {
    const needed = JSON.parse(await explain(orders, '--acls', '-o', 'json')) as {
      readonly commands: readonly string[];
    };
    expect(needed).toMatchObject({ brokers: 'b:9092', user: null });
    expect(needed).not.toHaveProperty('topics');
    expect(needed.commands).toHaveLength(4);
  });

  it('without Kafka there is nothing to create, which is wrong usage', async () => {
    const file = orders.replace('kafka: { topic: orders }', 'file: { path: a.ndjson }').replace(/^kafka: .*\n/m, '');
    await expect(explain(file, '--acls')).rejects.toMatchObject({ code: 'no_kafka', exitCode: 2 });
  });

  it('what does not go together is wrong usage', async () => {
    await expect(explain(orders, '--acls', '--live')).rejects.toMatchObject({ exitCode: 2 });
    await expect(explain(orders, '--live', '-o', 'mermaid')).rejects.toMatchObject({ exitCode: 2 });
  });

  it('a pipeline with errors is not explained: the report says why, with exit code 1', async () => {
    await expect(explain(orders.replace('filter:', 'fliter:'))).rejects.toMatchObject({
      code: 'pipeline_invalid',
      exitCode: 1,
      message: expect.stringContaining('did you mean "filter"?') as string,
    });
  });

  it('control characters of a hostile file do not reach the terminal', async () => {
    const text = await explain(orders.replace('Paid orders', '"\\e[31mred"').replace('"paid"', '"\u{9b}31m"'));
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });
});
