/** A Kafka that listens with TLS and with TLS and SASL: it works, and what is wrong is said in one sentence. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openKafkaAdmin } from '../../src/connections/kafka/admin.ts';
import { kafkaSourceContract, silent, type Connection } from '../contract/kafka-source.ts';
import type { KafkaSecurity } from '../stack/kafka-secure.ts';
import { startStack, type Stack } from '../stack/stack.ts';

let stack: Stack<'kafka'>;
let security: KafkaSecurity;

beforeAll(async () => {
  stack = await startStack({ services: ['kafka'], kafkaSecurity: true, print: () => {} });
  security = stack.kafka.security!;
});
afterAll(() => stack?.stop());

const mechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

function login(mechanism: (typeof mechanisms)[number], password = security.password): Connection {
  const { saslBrokers, ca, username } = security;
  return { brokers: saslBrokers, tls: { ca }, sasl: { mechanism, username, password } };
}

describe('a Kafka consumer group over TLS, logged in by SCRAM', () => {
  kafkaSourceContract({ connection: () => login('scram-sha-512') });
});

describe('connecting', () => {
  test.each(mechanisms)('works with TLS and a login by %s', async (mechanism) => {
    const admin = await openKafkaAdmin(login(mechanism), silent);
    expect(await admin.topics()).toBeInstanceOf(Array);
    await admin.close();
  });

  test('works with TLS and a certificate of the client', async () => {
    const { tlsBrokers, ca, clientCert, clientKey } = security;
    const tls = { ca, cert: clientCert, key: clientKey };
    const admin = await openKafkaAdmin({ brokers: tlsBrokers, tls }, silent);
    expect(await admin.topics()).toBeInstanceOf(Array);
    await admin.close();
  });
});

/** What the user reads when the source is opened. */
async function refusal(connection: Connection): Promise<{ code: string; message: string; ms: number }> {
  const began = performance.now();
  const refused = await openKafkaAdmin(connection, silent).catch((error: unknown) => error);
  const { code, message } = refused as { code: string; message: string };
  return { code, message, ms: performance.now() - began };
}

describe('what waiting does not mend is said at once', () => {
  test.each(mechanisms)('a wrong password (%s)', async (mechanism) => {
    const { code, message, ms } = await refusal(login(mechanism, 'not it'));
    expect(code).toBe('kafka_login_failed');
    expect(message).toContain('authentication failed');
    expect(message).not.toContain('not it');
    expect(ms).toBeLessThan(3000);
  });

  test('a login at a port that takes none', async () => {
    const { code, ms } = await refusal({ ...login('plain'), brokers: security.tlsBrokers });
    expect(code).toBe('kafka_login_failed');
    expect(ms).toBeLessThan(3000);
  });

  test('an authority that is not known, is another one, or is no certificate', async () => {
    const { tlsBrokers: brokers, foreignCa } = security;
    const unknown = await refusal({ brokers, tls: true });
    expect(unknown).toMatchObject({
      code: 'kafka_tls_failed',
      message: expect.stringMatching(/unable to verify .*: give the authority .* tls: \{ ca: /),
    });
    expect(unknown.ms).toBeLessThan(3000);
    for (const ca of [foreignCa, 'nothing of the kind']) {
      expect(await refusal({ brokers, tls: { ca } })).toMatchObject({
        code: 'kafka_tls_failed',
        message: expect.stringMatching(/`tls.ca` is not the authority/),
      });
    }
  });

  test('a name that is not in the certificate', async () => {
    const brokers = security.tlsBrokers.replace('127.0.0.1', 'localhost');
    expect(await refusal({ brokers, tls: { ca: security.ca } })).toMatchObject({
      code: 'kafka_tls_failed',
      message: expect.stringMatching(/localhost.*name the brokers as their certificate does/),
    });
  });

  test('a key of the client that can not be read', async () => {
    const tls = { ca: security.ca, cert: security.clientCert, key: 'nothing of the kind' };
    const { code, message } = await refusal({ brokers: security.tlsBrokers, tls });
    expect(code).toBe('kafka_tls_failed');
    expect(message).toMatch(/check `tls.cert` and `tls.key`/);
    expect(message).not.toContain('nothing of the kind');
  });
});

test('what could be a broker that is just starting is tried for 15 seconds, then says what may be wrong', async () => {
  const { ca, username, password, tlsBrokers, saslBrokers } = security;
  const [plaintextToTls, tlsToPlaintext, noLogin, loginWithoutTls] = await Promise.all([
    refusal({ brokers: tlsBrokers }),
    refusal({ brokers: stack.kafka.brokers, tls: { ca } }),
    refusal({ brokers: saslBrokers, tls: { ca } }),
    refusal({ brokers: saslBrokers, sasl: { mechanism: 'plain', username, password } }),
  ]);
  expect(plaintextToTls.message).toMatch(/does this port want TLS\? Then write `tls: true`/);
  expect(loginWithoutTls.message).toMatch(/does this port want TLS\?/);
  expect(tlsToPlaintext.message).toMatch(/does this port speak TLS\? If not, take `tls` out/);
  expect(noLogin.message).toMatch(/does this port want a login\? Then give `sasl:`/);
  for (const { code, ms } of [plaintextToTls, tlsToPlaintext, noLogin, loginWithoutTls]) {
    expect(code).toBe('kafka_unreachable');
    expect(ms).toBeLessThan(18_000);
  }
}, 30_000);
