import { defineConnection } from '../../declaration/component.ts';
import { duration, secret, tls } from '../../declaration/options.ts';
import { Type } from '../../declaration/type.ts';

const sasl = Type.Object(
  {
    mechanism: Type.Union([Type.Literal('plain'), Type.Literal('scram-sha-256'), Type.Literal('scram-sha-512')], {
      description: 'How to log in.',
    }),
    username: Type.String({ description: 'User name.' }),
    password: secret({ description: 'Password, as a rule `${KAFKA_PASSWORD}` or `${file:/run/secrets/kafka}`.' }),
  },
  { description: 'Log in by SASL.' },
);

export const kafkaConnection = defineConnection({
  kind: 'connection',
  name: 'kafka',
  summary: 'A Kafka cluster (2.8 or later).',
  example: "kafka: { brokers: '${KAFKA_BROKERS:-localhost:9092}' }",
  options: Type.Object({
    brokers: Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })], {
      default: 'localhost:9092',
      description: 'Brokers to start from, `host:port`: a list, or a text with commas.',
    }),
    client_id: Type.String({ default: 'pipectl', description: "Name of this client in the broker's logs and quotas." }),
    tls: Type.Optional(tls()),
    sasl: Type.Optional(sasl),
    connect_timeout: duration({ default: '5s', description: 'How long one attempt to connect may take.' }),
    client: Type.Optional(
      Type.Union([Type.Literal('kafkajs'), Type.Literal('platformatic')], {
        description:
          'The library that writes to topics. `platformatic` writes faster with less CPU and takes 60 MB more, so dead letters are written by `kafkajs`, which reads too, unless this says otherwise.',
      }),
    ),
    request_timeout: duration({ default: '15s', description: 'How long a broker may take to answer.' }),
  }),
});
