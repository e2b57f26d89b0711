/** Whether a use needs real time: the slowest of what the answers allow, each with its reason. */
import type { Answers } from './questions.ts';

/** From the slowest on. */
export const tiers = ['batch', 'micro-batch', 'near real time', 'real time'] as const;
export type Tier = (typeof tiers)[number];

export interface Limit {
  /** Which answer sets it. */
  readonly answer: 'cost' | 'actor' | 'late' | 'team';
  /** The fastest tier that is worth having, or that can be kept up, by this answer. */
  readonly tier: Tier;
  readonly why: string;
}

export interface Assessment {
  readonly tier: Tier;
  /** How old results are with it, in words. */
  readonly age: string;
  /** Those that decide first. */
  readonly limits: readonly Limit[];
  /** What the other answers ask for. */
  readonly advice: readonly string[];
  /** Partitions of the topic to begin with. */
  readonly partitions: number;
  /** Processes at the busiest time. */
  readonly members: number;
}

const ages: Readonly<Record<Tier, string>> = {
  batch: 'up to an hour, or whatever the schedule says',
  'micro-batch': 'up to a minute',
  'near real time': 'a few seconds',
  'real time': 'well below a second',
};

/** Far below what one process does (docs/benchmarks.md), so that one that is gone can be made up for. */
const eventsPerMember = 20_000;
const partitionsMin = 3;
/** From here on a result goes on changing for so long that seconds say little. */
const longLateMs = 3_600_000;

/** The tier for six answers. Pure: the same answers give the same text. */
export function assess(answers: Answers): Assessment {
  const limits = [ofCost(answers), ofActor(answers), ...ofLate(answers), ofTeam(answers)];
  const rank = Math.min(...limits.map(({ tier }) => tiers.indexOf(tier)));
  const tier = tiers[rank]!;
  const members = Math.max(1, Math.ceil(answers.rate / eventsPerMember));
  // Twice as many partitions as members now: a topic can be given more later, but then keys move.
  const partitions = Math.max(partitionsMin, members * 2);
  return {
    tier,
    age: ages[tier],
    limits: limits.toSorted((a, b) => tiers.indexOf(a.tier) - tiers.indexOf(b.tier)),
    advice: adviceFor(answers, tier, { members, partitions }),
    partitions,
    members,
  };
}

function ofCost({ cost }: Answers): Limit {
  switch (cost) {
    case 'none':
      return {
        answer: 'cost',
        tier: 'batch',
        why: 'a result that is a minute old costs nothing: a schedule does it, and costs least to run',
      };
    case 'little':
      return {
        answer: 'cost',
        tier: 'micro-batch',
        why: 'a minute of delay costs little: seconds would cost more than they bring',
      };
    case 'much':
      return {
        answer: 'cost',
        tier: 'near real time',
        why: 'a minute of delay costs much; between a second and a few there is little to gain',
      };
    case 'critical':
      return {
        answer: 'cost',
        tier: 'real time',
        why: 'what is lost in a minute can not be made good: every second counts',
      };
  }
}

function ofActor({ actor }: Answers): Limit {
  switch (actor) {
    case 'nobody':
      return {
        answer: 'actor',
        tier: 'batch',
        why: 'nobody acts on it at once, so nothing is gained by having it at once',
      };
    case 'reader':
      return {
        answer: 'actor',
        tier: 'micro-batch',
        why: 'who reads now and then does not see the difference between a minute and a second',
      };
    case 'watcher':
      return {
        answer: 'actor',
        tier: 'near real time',
        why: 'people need seconds to see and to act: faster than that nobody follows',
      };
    case 'machine':
      return {
        answer: 'actor',
        tier: 'real time',
        why: 'a program acts in milliseconds, so it can use every one of them',
      };
  }
}

/** A program decides on what it has; a person looks at a result that stragglers go on changing. */
function ofLate({ lateMs, actor }: Answers): readonly Limit[] {
  if (lateMs < longLateMs || actor === 'machine') return [];
  const why =
    'events may come an hour late and more, so a result goes on changing: its first second is not its best one';
  return [{ answer: 'late', tier: 'micro-batch', why }];
}

function ofTeam({ team }: Answers): Limit {
  switch (team) {
    case 'none':
      return {
        answer: 'team',
        tier: 'micro-batch',
        why: 'nobody looks after it: what must be there within seconds needs somebody who sees within minutes that it is not',
      };
    case 'office':
      return {
        answer: 'team',
        tier: 'near real time',
        why: 'somebody looks after it by day: after a bad night it catches up from Kafka, but it was late',
      };
    case 'oncall':
      return {
        answer: 'team',
        tier: 'real time',
        why: 'somebody is on call, so a promise of seconds can be kept at night',
      };
  }
}

function adviceFor(
  answers: Answers,
  tier: Tier,
  { members, partitions }: { readonly members: number; readonly partitions: number },
): readonly string[] {
  const { cost, actor, team, needs, lateMs, rate } = answers;
  const wanted = Math.min(tiers.indexOf(ofCost(answers).tier), tiers.indexOf(ofActor(answers).tier));
  const isHeldBack = tiers.indexOf(tier) < wanted;
  const ordered = needs === 'order' || needs === 'both';
  const once = needs === 'once' || needs === 'both';
  return [
    ...(isHeldBack && team !== 'oncall'
      ? [`the use asks for ${tiers[wanted]}; before you promise that, have somebody on call`]
      : []),
    ...(cost === 'critical' && actor !== 'machine'
      ? ['if a minute can not be made good, let a program act first and people look after it']
      : []),
    ...(ordered ? ['order holds within a partition: write events that belong together under one key'] : []),
    ...(once
      ? [
          'every event counts once in `postgres` and `file`: rows and positions are committed together; `stdout` may repeat',
        ]
      : []),
    ...(lateMs >= longLateMs
      ? [
          'correct with a second run over the past, in a table with a key, where what comes late replaces what was there',
        ]
      : []),
    rate < 1 / 60
      ? 'less than one event a minute: one process idles nearly all the time, and a schedule would do as well'
      : `${rate} events a second: ${members === 1 ? 'one process does it' : `${members} processes share it`}; ${partitions} partitions leave room to grow`,
  ];
}
