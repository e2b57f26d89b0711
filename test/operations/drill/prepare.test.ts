import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadPipeline } from '../../../src/definition/load.ts';
import { prepare } from '../../../src/operations/drill/prepare.ts';

const directory = mkdtempSync(join(tmpdir(), 'pipectl-drill-'));
afterAll(() => rmSync(directory, { recursive: true }));

async function definitionOf(rest: object) {
  const file = join(directory, 'orders.yaml');
  // JSON is YAML.
  writeFileSync(file, JSON.stringify({ source: { generate: { event: { id: 'sequence' } } }, ...rest }));
  const { definition } = await loadPipeline(file, { env: {}, mode: 'run' });
  return definition!;
}
const sink = (connection: string, name: string) => ({ postgres: { connection, table: name, key: ['id'] }, name });

describe('what a drill would do', () => {
  it('takes each server of the sinks away once, whatever connections lead to it, and says what can not be cut', async () => {
    const definition = await definitionOf({
      connections: {
        serving: { postgres: { url: 'postgres://u:p@DB.example/shop' } },
        reports: { postgres: { host: 'db.example', user: 'r', password: 'q' } },
        local: { postgres: { host: '/run/postgresql', user: 'r' } },
      },
      sinks: [sink('serving', 'a'), sink('reports', 'b'), sink('local', 'c'), { stdout: {} }],
    });
    const { faults, skipped } = await prepare(definition, null, ['sink-away'], false);
    expect(faults).toEqual([
      {
        fault: 'sink-away',
        service: {
          connections: ['serving', 'reports'],
          text: 'postgres at db.example:5432',
          addresses: [{ host: 'db.example', port: 5432 }],
        },
      },
    ]);
    expect(skipped.map(({ reason }) => reason)).toEqual([
      'local is reached by a socket of this machine (/run/postgresql), which no proxy stands before',
      'stdout has no connection that could be cut',
    ]);
  });

  it('leaves out with a reason what needs Kafka, and nothing silently', async () => {
    const definition = await definitionOf({ sinks: [{ discard: {} }] });
    const { faults, skipped, processes, whyOne } = await prepare(definition, null, null, true);
    expect(faults.map(({ fault }) => fault)).toEqual(['kill', 'freeze', 'restart']);
    expect(skipped.map(({ fault }) => fault)).toEqual(['sink-away', 'broker-away', 'poison']);
    expect([processes, whyOne]).toEqual([1, 'a generate source is read by one process']);
  });
});
