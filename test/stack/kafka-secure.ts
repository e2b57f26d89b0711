/** TLS and SASL for a broker of the test stack: certificates and users that are made for one run and go with it. */
import { execFile } from 'node:child_process';
import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { alterUserScramCredentialsV0, Connection } from '@platformatic/kafka';
import { StackUnavailableError } from './install.ts';
import { host } from './loopback.ts';

/** What a client needs to know of a Kafka that also listens with TLS and SASL. */
export interface KafkaSecurity {
  /** TLS, and a client certificate where the client has one. */
  readonly tlsBrokers: string;
  /** TLS and a login by PLAIN or SCRAM. */
  readonly saslBrokers: string;
  /** PEM text: of the authority that signed the broker's certificate, of one that did not, and of a client's certificate. */
  readonly ca: string;
  readonly foreignCa: string;
  readonly clientCert: string;
  readonly clientKey: string;
  /** May log in by every mechanism. */
  readonly username: string;
  readonly password: string;
  /** Logs in by SCRAM with the same password, and may do what ACLs allow it; everybody else may do everything. */
  readonly limitedUsername: string;
}

export type Certificates = Pick<KafkaSecurity, 'ca' | 'foreignCa' | 'clientCert' | 'clientKey'> & {
  /** PEM files as a broker reads them. */
  readonly keystore: string;
  readonly truststore: string;
};

/** @throws StackUnavailableError where there is no OpenSSL 3 */
export async function makeCertificates(directory: string): Promise<Certificates> {
  const at = (name: string): string => path.join(directory, name);
  const make = async (name: string, ...more: readonly string[]): Promise<string> => {
    const subject = ['-subj', `/CN=${name}`, '-days', '2', '-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)];
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    await promisify(execFile)('openssl', ['req', '-x509', ...key, ...subject, ...more]).catch((error: Error) => {
      throw new StackUnavailableError(
        'openssl_missing',
        `certificates for the tests could not be made: ${error.message.split('\n').at(-1)}`,
        'install OpenSSL 3 (Debian: apt install openssl)',
      );
    });
    return readFile(at(`${name}.pem`), 'utf8');
  };
  const ca = await make('authority');
  const signed = ['-CA', at('authority.pem'), '-CAkey', at('authority.key')];
  const [foreignCa, clientCert, brokerCert] = await Promise.all([
    make('stranger'),
    make('client', ...signed),
    make('broker', ...signed, '-addext', `subjectAltName=IP:${host}`),
  ]);
  await writeFile(at('keystore.pem'), (await readFile(at('broker.key'), 'utf8')) + brokerCert);
  const clientKey = await readFile(at('client.key'), 'utf8');
  return { ca, foreignCa, clientCert, clientKey, keystore: at('keystore.pem'), truststore: at('authority.pem') };
}

export interface SecureListeners {
  readonly tlsPort: number;
  readonly saslPort: number;
  readonly certificates: Certificates;
  readonly username: string;
  readonly password: string;
  readonly limitedUsername: string;
}

/** Settings of a broker, beside those of its plain listener. */
export function securitySettings({ certificates, username, password }: SecureListeners) {
  const login = 'org.apache.kafka.common.security';
  const sasl = 'listener.name.secure_login';
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': certificates.keystore,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': certificates.truststore,
    'ssl.client.auth': 'requested',
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': `User:ANONYMOUS;User:CN=client;User:${username}`,
    [`${sasl}.sasl.enabled.mechanisms`]: 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    [`${sasl}.plain.sasl.jaas.config`]: `${login}.plain.PlainLoginModule required user_${username}="${password}";`,
    [`${sasl}.scram-sha-256.sasl.jaas.config`]: `${login}.scram.ScramLoginModule required;`,
    [`${sasl}.scram-sha-512.sasl.jaas.config`]: `${login}.scram.ScramLoginModule required;`,
  };
}

/** SCRAM users live in the cluster's metadata (KIP-554); PLAIN ones in the broker's settings. */
export async function addScramUser(plainBroker: string, username: string, password: string): Promise<void> {
  const connection = new Connection('stack');
  await connection.connect(host, Number(plainBroker.split(':')[1]));
  try {
    const iterations = 4096;
    const mechanisms = [
      { mechanism: 1, hash: 'sha256', bytes: 32 },
      { mechanism: 2, hash: 'sha512', bytes: 64 },
    ];
    for (const { mechanism, hash, bytes } of mechanisms) {
      const salt = randomBytes(16);
      const saltedPassword = pbkdf2Sync(password, salt, iterations, bytes, hash);
      const credential = { name: username, mechanism, iterations, salt, saltedPassword };
      // One user's mechanisms are refused in one request.
      await alterUserScramCredentialsV0.api.async(connection, [], [credential]);
    }
  } finally {
    await connection.close();
  }
}
