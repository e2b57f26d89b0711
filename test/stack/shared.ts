import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import './global-setup.ts';
import type { ServiceName } from './stack.ts';

/** Address of a service all integration tests share: brokers as `127.0.0.1:port`, PostgreSQL as a URL. */
export function stackAddress(name: ServiceName): string {
  const address = inject('stackAddresses')[name];
  if (address === undefined) throw new Error(`${name} is not in the stack of this run`);
  return address;
}

/** A name no other test uses, fit for a topic, a group, a table (`orders_1f0c9a2b`). */
export function uniqueName(prefix: string): string {
  return `${prefix}_${randomBytes(4).toString('hex')}`;
}
