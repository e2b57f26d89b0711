import { errorTable, exitCodes, PipectlError } from '../errors.ts';

/**
 * What `ask` answers, within a time; else `service_silent`, exit code 3. The signal aborts when the time is over, and what
 * comes of the question after that is of no interest any more.
 */
export async function withinTime<T>(
  limitMs: number,
  service: string,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const message = `${service} did not answer in ${limitMs / 1000} s`;
      const { hint } = errorTable.service_silent;
      reject(new PipectlError('service_silent', message, { hint, exitCode: exitCodes.unreachable }));
      over.abort();
    }, limitMs);
  });
  try {
    return await Promise.race([ask(over.signal), silence]);
  } finally {
    clearTimeout(timer);
  }
}
