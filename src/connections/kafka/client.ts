/** Builds kafkajs clients from a connection's options, and turns their errors into sentences. */
import { addAbortSignal } from 'node:stream';
import type { KafkaConfig } from 'kafkajs';
import type { Log } from '../../engine/ports.ts';
import { exitCodes, PipectlError } from '../../errors.ts';
import { isTlsRefusal, tlsAdvice } from './connection-fault.ts';
import type { KafkaConnection } from './connection.ts';
import { type Broker, type BrokerPool, type Cluster, type KafkaClient, kafkajs } from './kafkajs.ts';
import { requestMetadata } from './metadata.ts';

const readCommitted = 1;
const logLevelWarn = 2;
/** The same message of the client is logged at most this often. */
const repeatAfterMs = 10_000;
const kindsMax = 100;

/** The settings every client shares. kafkajs does not start again by itself: whoever uses it supervises it. */
function clientConfig(connection: KafkaConnection, log: Log) {
  return {
    brokers: [...connection.brokers],
    clientId: connection.clientId,
    connectionTimeout: connection.connectTimeoutMs,
    authenticationTimeout: connection.requestTimeoutMs,
    requestTimeout: connection.requestTimeoutMs,
    enforceRequestTimeout: true,
    ...(connection.tls === false ? {} : { ssl: connection.tls }),
    ...(connection.sasl === null ? {} : { sasl: { ...connection.sasl } }),
    retry: {
      initialRetryTime: 100,
      maxRetryTime: 1000,
      multiplier: 2,
      factor: 0.5,
      retries: 4,
      restartOnFailure: () => Promise.resolve(false),
    },
    logLevel: logLevelWarn,
    logCreator: () => {
      const saidAtMs = new Map<string, number>();
      return (entry: LogEntry) => forward(entry, log, saidAtMs);
    },
  };
}

/**
 * `cut` ends its connections at once, also those that are being made: to disconnect a kafkajs client that is connecting
 * leaves connections behind, which would keep the process from ending.
 */
export function createClient(connection: KafkaConnection, log: Log, cut?: AbortSignal): KafkaClient {
  askForBrokersAlone();
  const config = { ...clientConfig(connection, log), socketFactory: socketsUntil(cut) };
  return new (kafkajs().Kafka)(config as unknown as KafkaConfig);
}

const socketsUntil = (cut: AbortSignal | undefined) => (address: object) => {
  const socket = kafkajs().createSocket(address);
  return cut === undefined ? socket : addAbortSignal(cut, socket);
};

/**
 * Connections without a consumer or producer on them: metadata, offsets, reading without a group. With `cut` they can be
 * ended at once, also those that are being made, and trying again is the caller's: kafkajs would not be stopped in it.
 */
export function createCluster(connection: KafkaConnection, log: Log, cut?: AbortSignal): Cluster {
  const { brokers, ssl, sasl, clientId, logCreator, retry, ...settings } = clientConfig(connection, log) as ReturnType<
    typeof clientConfig
  > & { ssl?: unknown; sasl?: unknown };
  askForBrokersAlone();
  return new (kafkajs().Cluster)({
    ...settings,
    retry: cut === undefined ? retry : { ...retry, retries: 0 },
    brokers,
    ssl,
    sasl,
    clientId,
    logger: kafkajs().createLogger({ level: logLevelWarn, logCreator }),
    socketFactory: socketsUntil(cut),
    metadataMaxAge: 60_000,
    allowAutoTopicCreation: false,
    isolationLevel: readCommitted,
  });
}

let asksForBrokersAlone = false;

/**
 * Where kafkajs wants to know the brokers it asks for all topics, and takes a single partition without a leader, of whatever
 * topic of the cluster, for a failure: nothing could be asked or written then.
 */
function askForBrokersAlone(): void {
  if (asksForBrokersAlone) return;
  asksForBrokersAlone = true;
  const { brokerPool } = kafkajs();
  const find = brokerPool.findConnectedBroker;
  brokerPool.findConnectedBroker = async function (this: BrokerPool) {
    const broker = await find.call(this);
    const metadata = async (topics: readonly string[]): Promise<unknown> => {
      if (topics.length > 0) return broker.metadata(topics);
      const { brokers, ...ids } = await requestMetadata(broker, []);
      const known = brokers.map(({ id: nodeId, host, port, rack }) => ({ nodeId, host, port, rack }));
      return { ...ids, brokers: known, topicMetadata: [] };
    };
    return Object.assign(Object.create(broker) as Broker, { metadata });
  };
}

interface LogEntry {
  readonly namespace: string | undefined;
  readonly log: { readonly message: string; readonly [detail: string]: unknown };
}

/** What the client has to say, without stacks, payloads and its own formatting. */
function forward({ namespace, log: entry }: LogEntry, log: Log, saidAtMs: Map<string, number>): void {
  const { message, error, broker, topic, partition, retryCount, groupId } = entry;
  // A refused request or login rejects the call that made it; what that means is said there.
  if (namespace === 'Connection' && message.startsWith('Response ')) return;
  if (namespace?.startsWith('SaslAuthenticator') === true || message.startsWith('SASL ')) return;
  // By ourselves, see `createClient`.
  if (message.endsWith('The operation was aborted')) return;
  // The connection itself has said why.
  if (message.startsWith('Failed to connect to seed broker')) return;
  // They are limited on purpose: what was not acknowledged is given back to the caller, who has an id for it.
  if (message.startsWith('Limiting retries for the idempotent producer')) return;
  // While a broker is away the client says so several times a second.
  const kind = `${namespace} ${message.replaceAll(/\d+/g, '')}`;
  const nowMs = performance.now();
  if (nowMs < (saidAtMs.get(kind) ?? Number.NEGATIVE_INFINITY) + repeatAfterMs) return;
  if (saidAtMs.size >= kindsMax) saidAtMs.clear();
  saidAtMs.set(kind, nowMs);
  const known = { client: 'kafkajs', part: namespace, broker, topic, partition, retryCount, group: groupId };
  log.warn('kafka_client', message, {
    ...Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)),
    ...(typeof error === 'string' ? { error } : {}),
  });
}

/** Fields kafkajs' errors carry, wherever they are in the chain of causes. */
interface KafkaErrorFields {
  readonly name?: string;
  readonly type?: string;
  readonly code?: unknown;
  readonly retriable?: boolean;
  readonly cause?: unknown;
  readonly errors?: readonly unknown[];
}

/** The error that started a chain. */
function rootOf(error: unknown): KafkaErrorFields & { message: string } {
  let root = error as KafkaErrorFields & { message: string };
  for (let depth = 0; depth < 10; depth++) {
    const below = (root.cause ?? root.errors?.[0]) as typeof root | undefined;
    if (below === undefined || below === null || typeof below !== 'object') break;
    root = below;
  }
  return root;
}

/** The protocol's name of an error: `OFFSET_OUT_OF_RANGE`; kafkajs' class where it is none of the protocol. */
export function kafkaErrorType(error: unknown): string {
  const root = rootOf(error);
  return root.type ?? root.name ?? 'Error';
}

/** Of the first connection; one that has worked is made again and again, since certificates are renewed. */
export function isFinalAtStart(error: unknown): boolean {
  return !isTransient(error) || isTlsRefusal(rootOf(error));
}

/** Trying again may help: anything but a refusal by who we are or what we ask. */
export function isTransient(error: unknown): boolean {
  return !isRefusal(kafkaErrorType(error));
}

function isRefusal(type: string): boolean {
  return type.endsWith('_AUTHORIZATION_FAILED') || type.startsWith('KafkaJSSASL') || loginRefusals.has(type);
}

const loginRefusals = new Set([
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'ILLEGAL_SASL_STATE', // the listener takes no login at all
]);

/** An error a user can act on. `doing` is what was being done: `connecting to Kafka`. */
export function explainKafkaError(error: unknown, connection: KafkaConnection, doing: string): PipectlError {
  if (error instanceof PipectlError) return error;
  const type = kafkaErrorType(error);
  const root = rootOf(error);
  const reason = root.message
    .replace(/^(Failed to connect|Connection error): /, '')
    .replace(/; if the root CA .*$/, '');
  const text = `${doing} at ${connection.brokers.join(', ')}: ${reason}${tlsAdvice(root, connection)}`;
  if (type.endsWith('_AUTHORIZATION_FAILED')) return new PipectlError('kafka_not_authorized', text, { cause: error });
  if (isRefusal(type)) return new PipectlError('kafka_login_failed', text, { cause: error });
  if (type === 'UNKNOWN_TOPIC_OR_PARTITION') return new PipectlError('kafka_topic_missing', text, { cause: error });
  if (isTlsRefusal(root)) return new PipectlError('kafka_tls_failed', text, { cause: error });
  return new PipectlError('kafka_unreachable', text, { cause: error, exitCode: exitCodes.unreachable });
}
