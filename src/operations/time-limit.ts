import { withinMs } from '../connections/time-limit.ts';
import { errorTable, exitCodes, PipectlError } from '../errors.ts';

/** `withinMs` of a service that a command needs: else `service_silent`, exit code 3. */
export function withinTime<T>(limitMs: number, service: string, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  return withinMs(limitMs, ask, () => {
    const message = `${service} did not answer in ${limitMs / 1000} s`;
    const { hint } = errorTable.service_silent;
    return new PipectlError('service_silent', message, { hint, exitCode: exitCodes.unreachable });
  });
}
