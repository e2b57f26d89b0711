import { hostname, userInfo } from 'node:os';

/** Who acts, for the audit trail. */
export const operatorName = (): string => `${userInfo().username}@${hostname()}`;
