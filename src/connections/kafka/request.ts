/** Requests of Kafka's protocol that kafkajs does not know, or not in the version that is needed, over its connections. */
import { kafkajs, type Broker, type Decoder, type Encoder } from './kafkajs.ts';

export interface OwnRequest<T> {
  readonly key: number;
  readonly version: number;
  /** As Kafka's protocol guide calls it. */
  readonly name: string;
  /** From the header's tagged fields on. */
  readonly encode: () => Encoder;
  readonly decode: (decoder: Decoder) => T;
}

/** Asks one broker. Rejects as its other requests do, and with what `decode` throws. */
export function sendRequest<T>(broker: Broker, { key, version, name, encode, decode }: OwnRequest<T>): Promise<T> {
  return broker.connectionPool.send({
    request: { apiKey: key, apiVersion: version, apiName: name, encode: () => Promise.resolve(encode()) },
    response: {
      decode: (bytes: Buffer) => Promise.resolve(decode(new (kafkajs().Decoder)(bytes))),
      parse: (answer: T) => Promise.resolve(answer),
    },
  });
}
