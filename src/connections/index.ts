import type { ConnectionDeclaration } from '../declaration/component.ts';

/** Every kind of connection, by the key that names it under `connections:`. */
export const connections: readonly ConnectionDeclaration[] = [];
