/** The options of a `kafka` connection as the clients take them. */
import { parseDuration } from '../../declaration/units.ts';
import { PipectlError } from '../../errors.ts';

export interface KafkaConnection {
  /** `host:port` each. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** False: no TLS. */
  readonly tls: boolean | { ca?: string; cert?: string; key?: string; rejectUnauthorized: boolean };
  readonly sasl: { readonly mechanism: SaslMechanism; readonly username: string; readonly password: string } | null;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** The library that produces; null: whichever is the better for the purpose. */
  readonly client: ProducingClient | null;
}

export type ProducingClient = 'platformatic' | 'kafkajs';

const portMax = 65_535;

type SaslMechanism = 'plain' | 'scram-sha-256' | 'scram-sha-512';

interface Options {
  readonly brokers?: string | readonly string[];
  readonly client_id?: string;
  readonly tls?:
    | boolean
    | {
        readonly ca?: string;
        readonly cert?: string;
        readonly key?: string;
        readonly reject_unauthorized?: boolean;
      };
  readonly sasl?: { readonly mechanism: SaslMechanism; readonly username: string; readonly password: string };
  readonly connect_timeout?: string;
  readonly request_timeout?: string;
  readonly client?: ProducingClient;
}

/**
 * From options that fit the schema in `index.ts`; what was left out gets its default. Throws `kafka_broker_address`, which
 * no waiting mends.
 */
export function readConnection(given: Readonly<Record<string, unknown>>): KafkaConnection {
  const options = given as Options;
  const brokers = options.brokers ?? 'localhost:9092';
  const list = (typeof brokers === 'string' ? brokers.split(',') : brokers).map((broker) => broker.trim());
  return {
    brokers: list.filter((broker) => broker !== '').map(withPort),
    clientId: options.client_id ?? 'pipectl',
    tls: readTls(options.tls),
    sasl: options.sasl ?? null,
    connectTimeoutMs: parseDuration(options.connect_timeout ?? '5s') ?? 5000,
    requestTimeoutMs: parseDuration(options.request_timeout ?? '15s') ?? 15_000,
    client: options.client ?? null,
  };
}

function withPort(broker: string): string {
  const port = /:(\d+)$/.exec(broker)?.[1];
  if (port === undefined) return `${broker}:9092`;
  if (Number(port) <= portMax) return broker;
  throw new PipectlError('kafka_broker_address', `${broker} is no address of a broker: ports end at ${portMax}`);
}

function readTls(tls: Options['tls']): KafkaConnection['tls'] {
  if (tls === undefined || typeof tls === 'boolean') return tls ?? false;
  const { reject_unauthorized: rejectUnauthorized = true, ...certificates } = tls;
  return { ...certificates, rejectUnauthorized };
}
