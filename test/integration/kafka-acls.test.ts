/** A Kafka with TLS, SCRAM and an authorizer: which right is missing is said with the command that grants it. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Admin } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Finding } from '../../src/operations/doctor/finding.ts';
import type { KafkaSecurity } from '../stack/kafka-secure.ts';
import { startStack, type Stack } from '../stack/stack.ts';
import { stackAddress } from '../stack/shared.ts';
import { Bench } from './pipeline.ts';

let stack: Stack<'kafka'>;
let security: KafkaSecurity;
let bench: Bench;

beforeAll(async () => {
  stack = await startStack({ services: ['kafka'], kafkaSecurity: true, print: () => {} });
  security = stack.kafka.security!;
  bench = await Bench.open({ brokers: stack.kafka.brokers, url: stackAddress('postgres') });
  await writeFile(path.join(bench.directory, 'ca.pem'), security.ca);
}, 120_000);
afterAll(async () => {
  await bench?.[Symbol.asyncDispose]();
  await stack?.stop();
});

type Acl = Parameters<Admin['createAcls']>[0]['acl'][number];
type Grant = readonly [kind: 'topic' | 'group', name: string, ...operations: (keyof typeof operationOf)[]];

const operationOf = { READ: 3, WRITE: 4, CREATE: 5, DESCRIBE: 8 } as const;
const resourceOf = { topic: 2, group: 3 } as const;

/** Allows the limited user something. */
async function grant(...grants: readonly Grant[]): Promise<void> {
  const acl = grants.flatMap(([kind, resourceName, ...operations]) =>
    operations.map((operation) => ({
      resourceType: resourceOf[kind],
      resourceName,
      resourcePatternType: 3, // literal
      principal: `User:${security.limitedUsername}`,
      host: '*',
      operation: operationOf[operation],
      permissionType: 3, // allow
    })),
  ) as unknown as Acl[];
  await bench.kafka.createAcls({ acl });
}

/** The rights a `kafka-acls.sh` command in a hint would give. */
function grantsIn(hint: string): Grant {
  const [, operations, kind, name] = /--allow-principal User:bob((?: --operation \w+)+) --(topic|group) (\S+?)`/.exec(
    hint,
  )!;
  const names = [...operations!.matchAll(/--operation (\w+)/g)].map(([, one]) => one as keyof typeof operationOf);
  return [kind as 'topic' | 'group', name!, ...names];
}

async function pipeline() {
  const topic = await bench.topic(2);
  const kafka = {
    brokers: security.saslBrokers,
    tls: { ca: '${file:ca.pem}' },
    sasl: { mechanism: 'scram-sha-512', username: security.limitedUsername, password: '${KAFKA_PASSWORD}' },
  };
  const made = await bench.pipeline({
    connections: { kafka: { kafka } },
    source: { kafka: { topic } },
    sinks: [{ discard: {} }],
  });
  const env = { KAFKA_PASSWORD: security.password };
  const run = async (...args: string[]) => {
    const outcome = await bench.run(args, env);
    expect(outcome.stdout + outcome.stderr).not.toContain(security.password);
    expect(outcome.stderr).not.toMatch(/\n +at /);
    return outcome;
  };
  const doctor = async () => {
    const { code, stdout } = await run('doctor', made.path, '--json', '--sample', '200ms');
    const { findings } = JSON.parse(stdout) as { findings: Finding[] };
    return { code, findings, rights: findings.filter(({ check }) => check === 'rights') };
  };
  return { ...made, topic, run, doctor };
}

describe('a user without rights', () => {
  test('doctor names each that is missing; when its commands were obeyed there is nothing left to say', async () => {
    const { topic, name, dlq, doctor } = await pipeline();
    const missing = await doctor();
    expect(missing.rights.map(({ severity, subject }) => `${severity} ${subject}`).toSorted()).toEqual(
      [`error group ${name}`, `error topic ${dlq}`, `error topic ${topic}`].toSorted(),
    );
    expect(missing.code).toBe(1);
    expect(missing.findings.filter(({ check }) => check === 'brokers')).toHaveLength(1);
    await grant(...missing.rights.map(({ remedy }) => grantsIn(remedy!)));
    const granted = await doctor();
    expect(granted.findings.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(granted.code).toBe(0);
  });

  test('validate --connect points at each with the command, explain --live and lag say what is missing', async () => {
    const { path: file, topic, name, dlq, run } = await pipeline();
    const validated = await run('validate', file, '--connect');
    expect(validated.code).toBe(1);
    for (const [what, which] of [
      ['read topic', topic],
      ['use group', name],
      ['write dead letters to topic', dlq],
    ]) {
      expect(validated.stdout).toMatch(
        new RegExp(`:\\d+:\\d+ +error +this user may not ${what} ${which} +\\[kafka_not_authorized\\]`),
      );
      expect(validated.stdout).toMatch(new RegExp(`hint: grant it: \`kafka-acls.sh .* ${which}\``));
    }
    const live = await run('explain', file, '--live');
    expect(live.stdout).toMatch(new RegExp(`MISSING topic ${topic}: this user may not read`));
    // Also where the topic may be read and the group may not.
    for (const mayRead of [false, true]) {
      if (mayRead) await grant(['topic', topic, 'READ']);
      for (const command of [['lag'], ['run', '--until-end', '--view', 'none']]) {
        const { code, stdout, stderr } = await run(command[0]!, file, ...command.slice(1));
        expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
        expect(stderr).toMatch(
          /(may not read topic|Not authorized to access group).*\n +grant Read .*explain \S+ --acls/,
        );
      }
    }
  });

  test('that may see a topic and not read it is told so', async () => {
    const { topic, name, dlq, doctor } = await pipeline();
    await grant(['topic', topic, 'DESCRIBE'], ['group', name, 'READ'], ['topic', dlq, 'DESCRIBE', 'WRITE']);
    expect((await doctor()).rights.map(({ message }) => message)).toEqual([`this user may not read topic ${topic}`]);
  });
});
