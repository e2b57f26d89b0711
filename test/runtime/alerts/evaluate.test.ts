import { describe, expect, it } from 'vitest';
import type { AlertRules } from '../../../src/definition/alerts.ts';
import { AlertEvaluator, type Transition } from '../../../src/runtime/alerts/evaluate.ts';
import { messageOf } from '../../../src/runtime/alerts/message.ts';
import type { GroupFacts } from '../../../src/runtime/group-watch.ts';
import type { StatusSnapshot } from '../../../src/runtime/status.ts';
import { healthy } from '../../view/fixtures.ts';

const none: AlertRules = {
  lag: null,
  dlq: null,
  errors: null,
  latency: null,
  throughput: null,
  sinks: null,
  notify: [],
};

interface Lag {
  readonly lag: number | null;
  readonly growth?: number | null;
  readonly ageMs?: number | null;
}

function group(partitions: readonly Lag[], atMs: number, { dead = 0, committed = 0 } = {}): GroupFacts {
  const each = partitions.map(({ lag, growth = 0, ageMs = 0 }, partition) => ({
    topic: 'orders',
    partition,
    owner: 'a',
    committed,
    logStart: 0,
    end: 0,
    lag,
    changePerSecond: growth,
    producePerSecond: null,
    consumePerSecond: null,
    behindMs: ageMs,
    behindEstimated: false,
    etaMs: null,
    verdict: 'OK' as const,
  }));
  const lag = partitions.reduce((sum, one) => sum + (one.lag ?? 0), 0);
  const change = partitions.reduce((sum, one) => sum + (one.growth ?? 0), 0);
  return {
    atMs,
    speaks: true,
    deadLetters: dead,
    lag: { group: 'g', state: 'Stable', members: 1, atMs, lag, changePerSecond: change, partitions: each },
  };
}

const start = Date.parse('2026-11-01T00:00:00Z');

/** Evaluates every two seconds and gives what changed, as `seconds key state`. */
class Story {
  readonly #evaluator: AlertEvaluator;
  #atMs = start;
  readonly told: string[] = [];
  last: Transition | undefined;

  constructor(rules: Partial<AlertRules>) {
    this.#evaluator = new AlertEvaluator({ ...none, ...rules });
  }

  look(given: { group?: GroupFacts; snapshot?: Partial<StatusSnapshot>; nearsRetention?: boolean }): void {
    const snapshot = { ...healthy, atMs: this.#atMs, ...given.snapshot };
    const input = { snapshot, group: given.group ?? null, nearsRetention: given.nearsRetention ?? null };
    for (const transition of this.#evaluator.evaluate(input, this.#atMs)) {
      this.last = transition;
      this.told.push(`${(this.#atMs - start) / 1000} ${transition.alert.key} ${transition.state}`);
    }
  }

  for(seconds: number, given: (atMs: number) => Parameters<Story['look']>[0]): this {
    for (const endMs = this.#atMs + seconds * 1000; this.#atMs < endMs; this.#atMs += 2000)
      this.look(given(this.#atMs));
    return this;
  }

  jump(ms: number): this {
    this.#atMs += ms;
    return this;
  }
}

const lagRule = { records: 1000, seconds: 60, growth: 500, forMs: 10_000 };
const lagOf =
  (...partitions: Lag[]) =>
  (atMs: number) => ({ group: group(partitions, atMs) });

describe('alerts', () => {
  it('fire after `for`, and are resolved once all has been well for as long', () => {
    const story = new Story({ lag: lagRule })
      .for(20, lagOf({ lag: 900 }))
      .for(20, lagOf({ lag: 1500 }))
      .for(20, lagOf({ lag: 10 }));
    expect(story.told).toEqual(['30 lag firing', '50 lag resolved']);
    expect(story.last).toMatchObject({ sinceMs: start + 30_000 });
  });

  it('do not fire for what lasts shorter than `for`, however often it comes back', () => {
    const story = new Story({ lag: lagRule });
    for (let i = 0; i < 10; i++) story.for(8, lagOf({ lag: 5000 })).for(2, lagOf({ lag: 10 }));
    expect(story.told).toEqual([]);
  });

  it('give one message for a value that moves around its threshold', () => {
    const story = new Story({ lag: lagRule }).for(20, lagOf({ lag: 1100 }));
    for (let i = 0; i < 20; i++) story.for(4, lagOf({ lag: 950 })).for(4, lagOf({ lag: 1050 }));
    expect(story.told).toEqual(['10 lag firing']);
    expect(story.for(12, lagOf({ lag: 700 })).told).toHaveLength(2);
  });

  it.each([
    ['records', { lag: 1001 }],
    ['growth', { lag: 1, growth: 501 }],
    ['age', { lag: 1, ageMs: 60_001 }],
  ])('join their thresholds by OR: %s is enough', (measure, lag) => {
    const story = new Story({ lag: lagRule }).for(12, lagOf(lag));
    expect(story.told).toEqual(['10 lag firing']);
    expect(story.last!.readings.map((reading) => reading.measure)).toContain(measure);
  });

  it('look at the group and at each partition, and name the worst first', () => {
    const sum = new Story({ lag: lagRule }).for(12, lagOf({ lag: 600 }, { lag: 600 }));
    expect(sum.last!.readings.map(({ subject }) => subject)).toEqual(['group']);
    const one = new Story({ lag: lagRule }).for(12, lagOf({ lag: 1, growth: -400 }, { lag: 2, growth: 600 }));
    expect(one.last!.readings).toMatchObject([{ subject: 'orders/1', measure: 'growth', value: 600 }]);
  });

  it('take what is not known as a proof of nothing', () => {
    const story = new Story({ lag: { ...lagRule, growth: null, seconds: null } })
      .for(12, lagOf({ lag: 2000 }))
      .for(60, (atMs) => ({ group: { ...group([{ lag: null }], atMs), lag: { ...group([], atMs).lag, lag: null } } }))
      .for(4, lagOf({ lag: 2000 }));
    expect(story.told).toEqual(['10 lag firing']);
  });

  it('count a clock that is set, or a process that stood still, as a moment', () => {
    const patient = { lag: { ...lagRule, forMs: 60_000 } };
    expect(
      new Story(patient)
        .for(4, lagOf({ lag: 2000 }))
        .jump(3_600_000)
        .for(4, lagOf({ lag: 2000 })).told,
    ).toEqual([]);
    expect(
      new Story(patient)
        .for(4, lagOf({ lag: 2000 }))
        .jump(-3_600_000)
        .for(80, lagOf({ lag: 2000 })).told,
    ).toHaveLength(1);
  });

  it('tell a sink that is down for so long, each on its own', () => {
    const [first, ...others] = healthy.sinks;
    const sinks = (state: 'OK' | 'DOWN') => ({ snapshot: { sinks: [{ ...first!, state }, ...others] } });
    const story = new Story({ sinks: { downMs: 30_000 } })
      .for(28, () => sinks('DOWN'))
      .for(2, () => sinks('OK'))
      .for(40, () => sinks('DOWN'))
      .for(40, () => sinks('OK'));
    expect(story.told).toEqual([`60 sink:${first!.name} firing`, `100 sink:${first!.name} resolved`]);
    const [reading] = story.last!.readings;
    expect(reading!.subject).toBe(`sink ${first!.name}`);
  });

  it('tell dead letters of the group by their growth and their share of what is read', () => {
    const story = new Story({ dlq: { growth: 1, tellsNew: false, forMs: 4000 }, errors: { ratio: 0.1, forMs: 4000 } });
    let [dead, committed] = [0, 0];
    const facts = (perLook: number) => (atMs: number) => {
      dead += perLook;
      committed += 20;
      return { group: group([{ lag: 0 }], atMs, { dead, committed }) };
    };
    story.for(20, facts(0));
    expect(story.told).toEqual([]);
    story.for(60, facts(10));
    expect(story.told.map((line) => line.slice(line.indexOf(' ') + 1)).toSorted()).toEqual([
      'dlq firing',
      'errors firing',
    ]);
    story.for(120, facts(0));
    expect(
      story.told
        .map((line) => line.slice(line.indexOf(' ') + 1))
        .toSorted()
        .slice(2),
    ).toEqual(['errors firing', 'errors resolved']);
    expect(story.told).toHaveLength(4);
  });

  it('tell a cause of dead letters once, when it is new', () => {
    const cause = {
      fingerprint: 'a3f9c1d2e4',
      count: 1,
      letters: null,
      perSecond: 0,
      stage: 'decode',
      code: 'json_syntax',
      message: '',
      firstAtMs: start,
      lastAtMs: start,
    };
    const letters = { ...healthy.deadLetters, causes: [cause] };
    const story = new Story({ dlq: { growth: null, tellsNew: true, forMs: 60_000 } })
      .for(4, () => ({}))
      .for(300, () => ({ snapshot: { deadLetters: letters } }));
    expect(story.told).toEqual(['4 dlq-new:a3f9c1d2e4 firing']);
    expect(story.last!.alert.teller).toBe('own');
  });

  it('tell a throughput that falls below its own, and learn a lasting one in the end', () => {
    let read = 0;
    const at = (perSecond: number) => () => {
      read += perSecond * 2;
      return { snapshot: { account: { ...healthy.account, read } } };
    };
    const story = new Story({ throughput: { below: 0.5, overMs: 120_000, forMs: 20_000 } }).for(300, at(1000));
    expect(story.told).toEqual([]);
    story.for(200, at(200));
    expect(story.told.map((line) => line.split(' ').slice(1).join(' '))).toEqual(['throughput firing']);
    story.for(3600, at(200));
    expect(story.told.at(-1)).toContain('throughput resolved');
  });

  it('do not judge the throughput before they know what is usual', () => {
    let read = 0;
    const falling = () => {
      read += Math.max(0, 4000 - read / 10);
      return { snapshot: { account: { ...healthy.account, read } } };
    };
    const story = new Story({ throughput: { below: 0.9, overMs: 600_000, forMs: 0 } }).for(500, falling);
    expect(story.told).toEqual([]);
  });

  it('tell latency, and that nothing is slow where nothing comes', () => {
    const p99 = (p99Ms: number | null) => () => ({
      snapshot: { lag: 0, endToEnd: { p50Ms: null, p95Ms: null, p99Ms } },
    });
    const story = new Story({ latency: { p50Ms: null, p95Ms: null, p99Ms: 5000, forMs: 4000 } })
      .for(20, p99(4900))
      .for(10, p99(9000))
      .for(10, p99(null));
    expect(story.told).toEqual(['24 latency firing', '34 latency resolved']);
  });

  it('tell an open breaker, records that are missing and a lag near the retention, whatever the file says', () => {
    const [breaker] = healthy.breakers;
    const story = new Story({}).for(2, () => ({
      nearsRetention: true,
      snapshot: {
        breakers: [{ ...breaker!, state: 'open' as const, sinceMs: start }],
        account: { ...healthy.account, difference: -1 },
      },
    }));
    expect(story.told).toEqual(['0 retention firing', '0 breaker firing', '0 discrepancy firing']);
  });
});

describe('a message', () => {
  const sender = { pipeline: 'orders', environment: 'prod', group: 'prod-orders', member: 'a-1' };

  it('has one id for firing and resolved and for every member, and another one for another alert', () => {
    const story = new Story({ lag: lagRule }).for(12, lagOf({ lag: 48_210, growth: 700 }));
    const firing = messageOf(story.last!, sender);
    expect(firing).toMatchObject({
      version: 1,
      state: 'firing',
      alert: 'lag',
      pipeline: 'orders',
      environment: 'prod',
      member: 'a-1',
      since: '2026-11-01T00:00:10.000Z',
      runbook: 'pipectl runbook growing-lag',
    });
    expect(firing.text).toContain('group records 48210 (at most 1000)');
    story.for(20, lagOf({ lag: 0 }));
    const resolved = messageOf(story.last!, { ...sender, member: 'b-2' });
    expect(resolved).toMatchObject({ state: 'resolved', id: firing.id });
    expect(messageOf(story.last!, { ...sender, group: 'dev-orders' }).id).not.toBe(firing.id);
  });
});
