/** What a drill can do to a pipeline. */
import type { RunbookName } from '../../runtime/runbooks.ts';

interface FaultKind {
  readonly summary: string;
  /** The one to have at hand when it happens for real. */
  readonly runbook: RunbookName;
}

/** In the order in which they are tried. */
export const faultKinds = {
  kill: {
    summary: 'a process is killed (SIGKILL) and another one started in its place',
    runbook: 'rebalance-storm',
  },
  freeze: {
    summary:
      'a process stands still (SIGSTOP) for longer than its session, and comes back when others have its partitions',
    runbook: 'rebalance-storm',
  },
  restart: {
    summary: 'a process is told to end (SIGTERM), has 30 s to drain, and another one is started in its place',
    runbook: 'rebalance-storm',
  },
  'sink-away': {
    summary: 'every connection to a sink is reset, and new ones as well, for --outage',
    runbook: 'sink-down',
  },
  'broker-away': {
    summary: 'every connection to Kafka is reset, and new ones as well, for --outage',
    runbook: 'broker-failure',
  },
  poison: {
    summary:
      'records that can not be decoded go to the source topic; only with --poison, as others read that topic too',
    runbook: 'growing-dlq',
  },
} as const satisfies Readonly<Record<string, FaultKind>>;

export type FaultName = keyof typeof faultKinds;

export const faultNames = Object.keys(faultKinds) as readonly FaultName[];
