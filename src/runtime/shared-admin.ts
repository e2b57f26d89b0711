/** One connection to a cluster for all who look at it beside the records. */
import { type KafkaAdmin, openKafkaAdmin } from '../connections/kafka/admin.ts';
import { silentLog } from '../engine/ports.ts';

export class SharedAdmin {
  readonly #options: Readonly<Record<string, unknown>>;
  readonly #open: typeof openKafkaAdmin;
  readonly #closing = new AbortController();
  #admin: Promise<KafkaAdmin> | null = null;

  /** `options`: of a kafka connection. */
  constructor(options: Readonly<Record<string, unknown>>, open: typeof openKafkaAdmin = openKafkaAdmin) {
    this.#options = options;
    this.#open = open;
  }

  /** Connects with the first call. Rejects as `openKafkaAdmin` does; throws once it is closed. */
  get(): Promise<KafkaAdmin> {
    this.#closing.signal.throwIfAborted();
    this.#admin ??= this.#open(this.#options, silentLog, this.#closing.signal);
    return this.#admin;
  }

  /** After trouble: who asks next connects anew. Never rejects. */
  async reset(): Promise<void> {
    const admin = this.#admin;
    this.#admin = null;
    await admin?.then(
      (opened) => opened.close(),
      () => undefined,
    );
  }

  /** Never rejects; ends what is under way. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.reset();
  }
}
