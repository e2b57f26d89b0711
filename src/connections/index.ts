import type { ConnectionDeclaration } from '../declaration/component.ts';
import { kafkaConnection } from './kafka/index.ts';
import { postgresConnection } from './postgres/index.ts';

/** Every kind of connection, by the key that names it under `connections:`. */
export const connections: readonly ConnectionDeclaration[] = [kafkaConnection, postgresConnection];
