/**
 * What `ask` answers within a time, else it rejects with `tooLate`. The signal aborts when the time is over; what comes of
 * the question after that is of no interest any more.
 */
export async function withinMs<T>(
  limitMs: number,
  ask: (signal: AbortSignal) => Promise<T>,
  tooLate: () => Error,
): Promise<T> {
  const over = new AbortController();
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(tooLate());
    over.abort();
  }, limitMs);
  try {
    return await Promise.race([ask(over.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}
