/** How a component says which service it talks to: `connection: NAME`, or the connection's options among its own. */
import type { TObject, TOptional, TProperties, TString } from 'typebox';
import type { ConnectionDeclaration } from './component.ts';
import { Type } from './type.ts';

/** Keyword on a component's options: the kind of connection it needs. */
export const connectionKeyword = 'x-pipectl-connection';

type Connected<P extends TProperties> = TObject<P & { connection: TOptional<TString> }>;

/**
 * Options of a component that needs a connection: its own, `connection`, and every option of the connection itself. By
 * the time the component sees them, options written in place have been moved to a connection of their own, and
 * `connection` holds its name: call `context.connection(kind, options.connection)`.
 */
export function withConnection<P extends TProperties>(
  connection: ConnectionDeclaration,
  options: TObject<P>,
): Connected<P> {
  const inPlace = Object.entries(connection.options.properties).map(([key, property]) => {
    const { default: _, ...plain } = property as Record<string, unknown>;
    return [key, Type.Optional(plain as typeof property)];
  });
  return {
    ...options,
    properties: {
      ...options.properties,
      connection: Type.Optional(
        Type.String({
          description: `Name of a ${connection.name} connection under \`connections:\`. Its options may also be written here instead.`,
        }),
      ),
      ...Object.fromEntries(inPlace),
    },
    [connectionKeyword]: connection.name,
  } as unknown as Connected<P>;
}
