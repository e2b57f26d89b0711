/** How a sink is waited for at the start. */
import { DeliveryAbandoned, type DeliveryOptions, type RouteHealth, retrying } from './delivery.ts';
import type { Sink } from './ports.ts';

/** A sink could not be reached when the pipeline started. */
export class SinkNeverThere extends Error {
  override name = 'SinkNeverThere';
  readonly code = 'sink_unavailable';
}

interface OpenOptions extends Pick<DeliveryOptions, 'clock' | 'random' | 'log'> {
  /** For how long it is waited for; null: without end. */
  readonly openMs: number | null;
}

/**
 * Opens a sink, with back-off while it is away. Rejects with `SinkNeverThere` after `openMs`, with `DeliveryAbandoned` when
 * the run is to stop, and with whatever it says that waiting does not mend.
 */
export async function openSink(
  sink: Sink,
  health: RouteHealth,
  options: OpenOptions,
  stopping: AbortSignal,
): Promise<void> {
  const { clock, openMs } = options;
  const opened = new AbortController();
  const tooLate = new AbortController();
  if (openMs !== null) void clock.sleep(openMs, opened.signal).then(() => tooLate.abort());
  const signal = AbortSignal.any([tooLate.signal, stopping]);
  try {
    const doing = `connecting to ${sink.name}`;
    await retrying(options, signal, health, 'sink_unavailable', doing, () => sink.open(signal));
  } catch (error) {
    if (!(error instanceof DeliveryAbandoned) || stopping.aborted) throw error;
    throw new SinkNeverThere((error.cause as Error).message, { cause: error });
  } finally {
    opened.abort();
  }
}
