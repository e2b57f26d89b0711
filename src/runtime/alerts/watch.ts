/** Looks at the alerts of a running pipeline every few seconds and tells whoever is to know. */
import type { AlertRules } from '../../definition/alerts.ts';
import type { Clock, Log } from '../../engine/ports.ts';
import type { GroupWatch } from '../group-watch.ts';
import type { StatusSnapshot } from '../status.ts';
import { AlertEvaluator, type Transition } from './evaluate.ts';
import { messageOf, type Sender } from './message.ts';
import { Notifier, targetName } from './notify.ts';

export interface AlertWatchOptions {
  readonly rules: AlertRules;
  readonly sender: Sender;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly snapshot: () => StatusSnapshot;
  /** Null where there is no group to ask about. */
  readonly group: Pick<GroupWatch, 'group' | 'speaks' | 'nearsRetention'> | null;
  /** Default: 2 s. */
  readonly everyMs?: number;
}

const everyMsDefault = 2000;
/** Until then the group should have told who speaks for it. */
const groupWithinMs = 30_000;
/**
 * A member that died may have told nobody of what changed so shortly before. Longer than it takes until another one speaks: the
 * session of the dead one, a rebalance, and a look at the group.
 */
const retellMs = 120_000;

export class AlertWatch {
  readonly #options: AlertWatchOptions;
  readonly #evaluator: AlertEvaluator;
  readonly #notifier: Notifier;
  readonly #timer: NodeJS.Timeout;
  readonly #startedAtMs: number;
  /** What another member was to tell, the oldest first. */
  #leftToOthers: readonly Transition[] = [];
  #failed = false;

  constructor(options: AlertWatchOptions) {
    this.#options = options;
    this.#evaluator = new AlertEvaluator(options.rules);
    this.#notifier = new Notifier(options.rules.notify, options);
    this.#startedAtMs = options.clock.now();
    this.#timer = setInterval(() => this.#look(), options.everyMs ?? everyMsDefault);
    this.#timer.unref();
  }

  get firing(): ReadonlyMap<string, boolean> {
    return this.#evaluator.firing;
  }

  /** Never rejects. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#notifier.close();
  }

  #look(): void {
    try {
      this.#evaluate();
    } catch (error) {
      // A bug in here must not cost a record. Said once: it would come every two seconds.
      if (!this.#failed) this.#options.log.error('alerts_failed', `alerts are not looked at: ${String(error)}`);
      this.#failed = true;
    }
  }

  #evaluate(): void {
    const { clock, group, snapshot } = this.#options;
    const nowMs = clock.now();
    const isUnknown = group !== null && group.speaks === null;
    if (isUnknown && nowMs - this.#startedAtMs < groupWithinMs) return;
    // Where it is not known who speaks, twice is better than not at all.
    const speaks = group?.speaks ?? true;
    // Since when a member has been dead nobody knows. Told twice it has the same id; untold it would fire, or be over, unseen.
    const recent = this.#leftToOthers.filter(({ atMs }) => nowMs - atMs < retellMs);
    if (speaks) for (const transition of recent) this.#tell(transition);
    this.#leftToOthers = speaks ? [] : recent;
    const now = {
      snapshot: snapshot(),
      group: group?.group ?? null,
      nearsRetention: group?.nearsRetention ?? null,
    };
    for (const transition of this.#evaluator.evaluate(now, nowMs)) this.#announce(transition, speaks);
  }

  #announce(transition: Transition, speaks: boolean): void {
    const { log, rules, sender } = this.#options;
    const { alert, state } = transition;
    const isMine = speaks || alert.teller === 'own';
    if (isMine) this.#tell(transition);
    else this.#leftToOthers = [...this.#leftToOthers, transition];
    const names = rules.notify.map(targetName).join(', ');
    const told = names === '' ? '' : isMine ? `; tells ${names}` : '; another member tells it';
    const { text } = messageOf(transition, sender);
    if (state === 'firing') log.warn(alert.code, `ALERT ${text}${told}`);
    else log.info('alert_resolved', `${text}${told}`);
  }

  #tell(transition: Transition): void {
    this.#notifier.push(messageOf(transition, this.#options.sender));
  }
}
