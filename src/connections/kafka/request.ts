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
export async function sendRequest<T>(
  broker: Broker,
  { key, version, name, encode, decode }: OwnRequest<T>,
): Promise<T> {
  const { answer } = await broker.connectionPool.send<{ readonly answer: T }>({
    request: { apiKey: key, apiVersion: version, apiName: name, encode: () => Promise.resolve(encode()) },
    response: {
      // kafkajs reads a property of what was decoded, so it must not be null.
      decode: (bytes: Buffer) => Promise.resolve({ answer: decode(new (kafkajs().Decoder)(bytes)) }),
      parse: (decoded: { readonly answer: T }) => Promise.resolve(decoded),
    },
  });
  return answer;
}
