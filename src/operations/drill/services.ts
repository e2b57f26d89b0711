/** The services a pipeline talks to: where they are, and how they can be taken away from it. */
import type { KafkaAdmin } from '../../connections/kafka/admin.ts';
import { readConnection } from '../../connections/kafka/connection.ts';
import { serverOf } from '../../connections/postgres/client.ts';
import { kafkaConnectionOf, kafkaOptionsOf } from '../../definition/kafka-connection.ts';
import type { ConnectionUse, PipelineDefinition, SinkUse } from '../../definition/pipeline.ts';
import type { Address } from './proxy.ts';

/** A service that proxies can stand before. */
export interface Service {
  /** The connections of the pipeline that lead to it. */
  readonly connections: readonly string[];
  /** In the pipeline's words: `Kafka at b1:9092`, `postgres serving at db:5432`. */
  readonly text: string;
  readonly addresses: readonly Address[];
}

/** Why nothing can stand before a service. */
export interface NotCut {
  readonly reason: string;
}

/** Brokers as the file names them, and as they name themselves: clients go from the first to the others. */
export async function brokersOf(definition: PipelineDefinition, kafka: KafkaAdmin): Promise<Service> {
  const name = kafkaConnectionOf(definition);
  const { brokers } = readConnection(kafkaOptionsOf(definition));
  const named = brokers.map((broker): Address => {
    const colon = broker.lastIndexOf(':');
    return { host: broker.slice(0, colon).toLowerCase(), port: Number(broker.slice(colon + 1)) };
  });
  const advertised = (await kafka.describeCluster([])).brokers.map(({ host, port }) => ({
    host: host.toLowerCase(),
    port,
  }));
  const addresses = [...new Map([...named, ...advertised].map((one) => [addressText(one), one])).values()];
  return { connections: [name], text: `Kafka at ${addresses.map(addressText).join(', ')}`, addresses };
}

/** Of each server that sinks write to: the service, or why it can't be cut. */
export function sinkServicesOf({ sinks, connections }: PipelineDefinition): readonly (Service | NotCut)[] {
  const found = new Map<string, Service | NotCut>();
  for (const sink of sinks) {
    const { connection } = sink.options as { readonly connection?: string };
    const use = connection === undefined ? undefined : connections[connection];
    const service = use === undefined ? noConnection(sink) : serviceOf(connection!, use);
    if ('reason' in service) found.set(connection ?? sink.name, service);
    else {
      // Two connections to one server are away together.
      const at = addressText(service.addresses[0]!);
      const former = found.get(at);
      if (former === undefined || 'reason' in former) found.set(at, service);
      else found.set(at, { ...former, connections: [...new Set([...former.connections, connection!])] });
    }
  }
  return [...found.values()];
}

export const addressText = ({ host, port }: Address): string => `${host}:${port}`;

const noConnection = ({ name, component }: SinkUse): NotCut => ({
  reason: `${name === component ? name : `${component} ${name}`} has no connection that could be cut`,
});

function serviceOf(connection: string, { kind, options }: ConnectionUse): Service | NotCut {
  if (kind !== 'postgres') return { reason: `a connection to ${kind} (${connection}) can not be cut by this version` };
  const { host, port } = serverOf(options);
  if (host.startsWith('/'))
    return { reason: `${connection} is reached by a socket of this machine (${host}), which no proxy stands before` };
  const address = { host: host.toLowerCase(), port };
  return { connections: [connection], text: `${kind} at ${addressText(address)}`, addresses: [address] };
}
