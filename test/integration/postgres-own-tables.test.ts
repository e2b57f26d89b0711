/** The tables the PostgreSQL sink keeps for itself, from one version of the program to the next. */
import { describe, expect, test } from 'vitest';
import { stackAddress, uniqueName } from '../stack/shared.ts';
import { deliverEvents, p0, SinkTable } from './sink-on-table.ts';

const url = stackAddress('postgres');

/** As version 1 made them, with a position in them. */
const versionOne = (schema: string, pipeline: string): string => `
  CREATE SCHEMA ${schema};
  CREATE TABLE ${schema}.logs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cluster text NOT NULL, topic_id text NOT NULL, partition integer NOT NULL,
    UNIQUE (cluster, topic_id, partition)
  );
  CREATE TABLE ${schema}.positions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cluster text NOT NULL, pipeline text NOT NULL, sink text NOT NULL, topic_id text NOT NULL, partition integer NOT NULL,
    topic text NOT NULL, log bigint NOT NULL REFERENCES ${schema}.logs,
    position bigint, owner_epoch bigint NOT NULL, pipeline_hash text NOT NULL, rebuild bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (cluster, pipeline, sink, topic_id, partition)
  ) WITH (fillfactor = 50);
  INSERT INTO ${schema}.logs (cluster, topic_id, partition) VALUES ('cluster-1', 'topic-id-1', 0);
  INSERT INTO ${schema}.positions (cluster, pipeline, sink, topic_id, partition, topic, log, position, owner_epoch, pipeline_hash)
    VALUES ('cluster-1', '${pipeline}', 'postgres', 'topic-id-1', 0, 'orders', 1, 42, 3, 'hash');`;

describe('the tables with the positions', () => {
  test('of a former version are brought up to date by members that start at once, and positions stay', async () => {
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY');
    const schema = uniqueName('guard');
    await on.admin.query(versionOne(schema, on.table));
    const options = { guard: { schema, versions: 'side' as const } };
    const sinks = Array.from({ length: 4 }, () => on.newSink({ options }));
    await Promise.all(sinks.map((sink) => sink.open()));
    expect(await on.read(`SELECT version FROM ${schema}.schema_version`)).toEqual([[3]]);
    expect((await sinks[0]!.claim([p0])).get(p0)).toBe(42);
    expect(await deliverEvents(sinks[0]!, p0, 42, { id: 1 })).toMatchObject({ written: 1 });
    await Promise.all(sinks.map((sink) => sink.close()));
    await on.admin.query(`DROP SCHEMA ${schema} CASCADE`);
  });

  test('of a newer version are left alone, and said to be', async () => {
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY');
    const schema = uniqueName('guard');
    const options = { guard: { schema, versions: 'column' as const } };
    const sink = await on.open({ options });
    await on.admin.query(`UPDATE ${schema}.schema_version SET version = 4`);
    await expect(on.newSink({ options }).open()).rejects.toMatchObject({
      code: 'sink_positions_newer',
      message: expect.stringMatching(/version 4.*up to version 3/),
    });
    expect(await on.read(`SELECT version FROM ${schema}.schema_version`)).toEqual([[4]]);
    // Who runs already goes on: what a newer version adds takes nothing away.
    expect(await deliverEvents(sink, p0, 0, { id: 1 })).toMatchObject({ written: 1 });
    await sink.close();
    await on.admin.query(`DROP SCHEMA ${schema} CASCADE`);
  });

  test('a role that may not bring them up to date is told the statements, which are enough', async () => {
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY');
    const [schema, role] = [uniqueName('guard'), uniqueName('role')];
    await on.admin.query(
      `${versionOne(schema, on.table)} CREATE ROLE ${role} LOGIN PASSWORD 'secret'; GRANT ALL ON ${on.table} TO ${role};
       GRANT USAGE ON SCHEMA ${schema} TO ${role}; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA ${schema} TO ${role}`,
    );
    const restricted = new URL(url);
    restricted.username = role;
    restricted.password = 'secret';
    const options = { guard: { schema, versions: 'column' as const } };
    const sink = on.newSink({ options, connection: { url: restricted.href } });
    const refused: unknown = await sink.open().catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'sink_positions_rights', message: expect.stringContaining('up to date') });
    const { hint } = refused as { hint: string };
    expect(hint).not.toContain('.logs (');
    await on.admin.query(hint.slice(hint.indexOf('\n')));
    await on.admin.query(`GRANT SELECT ON ${schema}.schema_version TO ${role}`);
    await sink.open();
    expect((await sink.claim([p0])).get(p0)).toBe(42);
    await sink.close();
    await on.admin.query(`DROP SCHEMA ${schema} CASCADE; DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });
});
