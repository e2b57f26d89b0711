import { defineConnection } from '../../declaration/component.ts';
import { secret, tls } from '../../declaration/options.ts';
import { Type } from '../../declaration/type.ts';

export const postgresConnection = defineConnection({
  kind: 'connection',
  name: 'postgres',
  summary: 'A PostgreSQL database (11 or later).',
  options: Type.Object({
    url: Type.Optional(
      secret({
        // A variable is filled in before, but an editor sees it as it stands.
        pattern: '^(postgres(ql)?://|\\$\\{)',
        description:
          'Where and as whom: `postgres://user:password@host:5432/database`. `?sslmode=verify-full` and other libpq settings may follow.',
      }),
    ),
    host: Type.Optional(Type.String({ description: 'Host name, where no url is given. Default localhost.' })),
    port: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 65_535, description: 'Port, where no url is given. Default 5432.' }),
    ),
    database: Type.Optional(
      Type.String({ description: 'Database, where no url is given. Default: the name of the user.' }),
    ),
    user: Type.Optional(Type.String({ description: 'Role to log in as, where no url is given.' })),
    password: Type.Optional(secret({ description: 'Password of the role, where no url is given.' })),
    tls: Type.Optional(tls()),
  }),
  example: "postgres: { url: '${PG_URL}' }",
});
