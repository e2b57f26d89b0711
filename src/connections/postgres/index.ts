import { defineConnection } from '../../declaration/component.ts';
import { secret, tls } from '../../declaration/options.ts';
import { Type } from '../../declaration/type.ts';

/**
 * One host, as `pg` reads it. A `/`, `?` or `#` in the password would end the host, so what follows would be taken for a port
 * or a database. A variable is filled in before, but an editor sees it as it stands.
 */
const urlPattern = (() => {
  const user = '[^/?#\\s]*@';
  const host = '(\\[[0-9A-Fa-f:.]+\\]|[^:,/?#@\\[\\]\\s]*)';
  const [port, database, settings] = [':[0-9]{1,5}', '/[^/?#@\\s]*', '\\?[^@\\s]*'];
  return `^(\\$\\{|postgres(ql)?://(\\S*\\$\\{|(?=\\S)(${user})?${host}(${port})?(${database})?(${settings})?$))`;
})();

export const postgresConnection = defineConnection({
  kind: 'connection',
  name: 'postgres',
  summary: 'A PostgreSQL database (11 or later).',
  options: Type.Object({
    url: Type.Optional(
      secret({
        pattern: urlPattern,
        description:
          'Where and as whom: `postgres://user:password@host:5432/database`, with `%2F` for a `/` and `%23` for a `#` in the password. `?sslmode=verify-full` and other libpq settings may follow.',
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
