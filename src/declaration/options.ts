/** Building blocks for option schemas: each is plain JSON Schema with the TypeScript type of what a user writes. */
import type { TSchemaOptions } from 'typebox';
import { Type } from './type.ts';

/** Keyword that tells `definition` what a text means, so that it can be parsed or compiled with its place known. */
export const meaningKeyword = 'x-pipectl';
export type Meaning = 'duration' | 'size' | 'rate' | 'expression' | 'template' | 'secret';

type Described = TSchemaOptions & { readonly description: string };

/** `500ms`, `30s`, `5m`, `4h`, `7d`. Read it with `parseDuration`. */
export const duration = (options: Described) =>
  Type.String({ pattern: '^\\d+(\\.\\d+)?(ms|s|m|h|d)$', [meaningKeyword]: 'duration' satisfies Meaning, ...options });

/** A duration longer than nothing. */
export const positiveDuration = (options: Described) =>
  duration({ ...options, pattern: '^(?!0+(\\.0+)?[a-z])\\d+(\\.\\d+)?(ms|s|m|h|d)$' } as Described);

/** `16MiB`, `512KiB`, `1GB`. Read it with `parseSize`. */
export const size = (options: Described) =>
  Type.String({
    pattern: '^\\d+(\\.\\d+)?(B|KB|KiB|MB|MiB|GB|GiB|TB|TiB)$',
    [meaningKeyword]: 'size' satisfies Meaning,
    ...options,
  });

/** `500/s`, `10/m`. Read it with `parseRate`. */
export const rate = (options: Described) =>
  Type.String({ pattern: '^\\d+(\\.\\d+)?/(s|m|h)$', [meaningKeyword]: 'rate' satisfies Meaning, ...options });

/** An expression: text is CEL, numbers, booleans and null are themselves. */
export const expression = (options: Described) =>
  Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()], {
    [meaningKeyword]: 'expression' satisfies Meaning,
    ...options,
  });

/** Text in which `{...}` holds an expression. */
export const template = (options: Described) =>
  Type.String({ [meaningKeyword]: 'template' satisfies Meaning, ...options });

/** The JSON Schema of a source's events, for `eventSchema` of its declaration. */
export const eventSchemaFile = () =>
  Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'JSON Schema file of the events, relative to the pipeline file. Expressions are checked against its types; events are not: what does not fit fails where it is used.',
    }),
  );

/** Text that must not appear in any output; a literal in the file is a warning. */
export const secret = (options: Described) => Type.String({ [meaningKeyword]: 'secret' satisfies Meaning, ...options });

/** TLS with what the system trusts, or with certificates. */
export const tls = () =>
  Type.Union(
    [
      Type.Boolean({ description: 'true: TLS with the certificates the system trusts.' }),
      Type.Object(
        {
          ca: Type.Optional(
            Type.String({ description: 'PEM text of the authority to trust, as a rule `${file:/path/ca.pem}`.' }),
          ),
          cert: Type.Optional(Type.String({ description: 'PEM text of the client certificate.' })),
          key: Type.Optional(secret({ description: 'PEM text of the client key.' })),
          reject_unauthorized: Type.Boolean({
            default: true,
            description: 'false accepts any certificate. Only for a test.',
          }),
        },
        { description: 'TLS with own certificates.' },
      ),
    ],
    { description: 'Encrypts the connection: `true`, or certificates.' },
  );
