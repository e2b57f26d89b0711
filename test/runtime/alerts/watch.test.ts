import { afterEach, expect, test, vi } from 'vitest';
import type { AlertRules } from '../../../src/definition/alerts.ts';
import type { AlertMessage } from '../../../src/runtime/alerts/message.ts';
import { AlertWatch } from '../../../src/runtime/alerts/watch.ts';
import type { StatusSnapshot } from '../../../src/runtime/status.ts';
import { healthy, partition } from '../../view/fixtures.ts';
import { type Hook, receiver } from './receiver.ts';

const everyMs = 10;
const rules = {
  lag: { records: 500, seconds: null, growth: null, forMs: 2000 },
  dlq: null,
  errors: null,
  latency: null,
  throughput: null,
  sinks: null,
} as const satisfies Omit<AlertRules, 'notify'>;

const open: AlertWatch[] = [];
afterEach(async () => {
  for (const watch of open.splice(0)) await watch.close();
});

/** A member of the group and what it sees; time passes only by `pass`. */
class Member {
  readonly name: string;
  lag = 0;
  speaks: boolean | null;
  nowMs = healthy.atMs;
  #looks = 0;
  readonly logged: string[] = [];

  constructor(name: string, { url }: Hook, speaks: boolean | null) {
    this.name = name;
    this.speaks = speaks;
    const see = (): StatusSnapshot => ({ ...healthy, lag: this.lag, partitions: [partition(0, { lag: this.lag })] });
    // What it asks at every look.
    const now = (): number => {
      this.#looks++;
      return this.nowMs;
    };
    const say = (code: string, text: string): void => void this.logged.push(`${code} ${text}`);
    const { pipeline, environment } = healthy;
    const speaksNow = (): boolean | null => this.speaks;
    open.push(
      new AlertWatch({
        rules: { ...rules, notify: [{ kind: 'webhook', url, timeoutMs: 5000 }] },
        sender: { pipeline, environment, group: 'orders', member: name },
        clock: { now, sleep: () => Promise.resolve() },
        random: () => 0,
        log: { info: say, warn: say, error: say },
        snapshot: see,
        group: {
          group: null,
          nearsRetention: null,
          get speaks() {
            return speaksNow();
          },
        },
        everyMs,
      }),
    );
  }

  /** Lets it look at least twice at each of so many seconds. */
  async pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      this.nowMs += 1000;
      const from = this.#looks;
      await vi.waitFor(() => expect(this.#looks).toBeGreaterThan(from + 1), { interval: everyMs });
    }
  }
}

const states = ({ got }: Hook): string[] => got.map(({ state, member }) => `${state} by ${member}`);

/** What is left where a receiver drops each message whose id and state it had last. */
function deduplicated(got: readonly AlertMessage[]): string[] {
  const last = new Map<string, string>();
  return got.flatMap(({ id, alert, state }) => {
    if (last.get(id) === state) return [];
    last.set(id, state);
    return [`${alert} ${state}`];
  });
}

test('what another member was to tell is told by the one that takes over: it may have died before it did', async () => {
  await using hook = await receiver();
  const heir = new Member('heir', hook, false);
  heir.lag = 600;
  await heir.pass(5);
  expect(heir.logged.join()).toContain('another member tells it');
  expect(hook.got).toEqual([]);
  heir.speaks = true;
  await vi.waitFor(() => expect(states(hook)).toEqual(['firing by heir']));
  heir.lag = 0;
  await heir.pass(5);
  await vi.waitFor(() => expect(states(hook)).toEqual(['firing by heir', 'resolved by heir']));
});

test('an alert that was over before anybody else spoke is told, too: else it would fire for ever where it is shown', async () => {
  await using hook = await receiver();
  const [speaker, heir] = [new Member('speaker', hook, true), new Member('heir', hook, false)];
  for (const member of [speaker, heir]) {
    member.lag = 600;
    await member.pass(5);
  }
  await vi.waitFor(() => expect(states(hook)).toEqual(['firing by speaker']));
  // It dies here, and the lag goes before the group has noticed.
  heir.lag = 0;
  await heir.pass(5);
  heir.speaks = true;
  await vi.waitFor(() => expect(states(hook).at(-1)).toBe('resolved by heir'));
  expect(new Set(hook.got.map(({ id }) => id)).size).toBe(1);
  expect(deduplicated(hook.got)).toEqual(['lag firing', 'lag resolved']);
});

test('what changed long ago is not told again', async () => {
  await using hook = await receiver();
  const heir = new Member('heir', hook, false);
  heir.lag = 600;
  await heir.pass(5);
  heir.nowMs += 180_000;
  await heir.pass(1);
  heir.speaks = true;
  await heir.pass(2);
  heir.lag = 0;
  await heir.pass(5);
  await vi.waitFor(() => expect(states(hook)).toEqual(['resolved by heir']));
});

test('until it is known who speaks nobody is told; where that stays unknown twice is better than not at all', async () => {
  await using hook = await receiver();
  const member = new Member('first', hook, null);
  member.lag = 600;
  await member.pass(10);
  expect(member.logged).toEqual([]);
  await member.pass(25);
  await vi.waitFor(() => expect(states(hook)).toEqual(['firing by first']));
});
