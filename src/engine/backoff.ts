/**
 * Time to wait before try number `attempt` (1 is the first repeat): full jitter, so that members which failed together
 * do not come back together. `random` is in [0, 1). The most by default: what is back is found within 10 seconds, and half
 * of them are for the work itself.
 * Source: AWS Architecture Blog, "Exponential Backoff And Jitter".
 */
export function backoffMs(attempt: number, random: number, firstMs = 50, mostMs = 5_000): number {
  const ceiling = Math.min(mostMs, firstMs * 2 ** Math.min(attempt - 1, 30));
  // Never zero: a loop without any wait would starve the event loop.
  return Math.max(1, Math.round(random * ceiling));
}
