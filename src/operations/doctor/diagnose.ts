/** Gathers the facts, each service within its time, and says what follows. Looks and changes nothing. */
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type KafkaAdmin, openKafkaAdmin } from '../../connections/kafka/admin.ts';
import { retentionOf } from '../../connections/kafka/cluster-description.ts';
import { readConnection } from '../../connections/kafka/connection.ts';
import type { PostgresOptions } from '../../connections/postgres/client.ts';
import { kafkaOptionsOf } from '../../definition/kafka-connection.ts';
import type { Problem } from '../../definition/problems.ts';
import { SinkUnavailable, silentLog } from '../../engine/ports.ts';
import { exitCodes, PipectlError } from '../../errors.ts';
import type { Plan } from '../../plan/index.ts';
import { runbookCommand, runbookFor } from '../../runtime/runbooks.ts';
import { LagMonitor } from '../lag.ts';
import { allowed, type LivePart, livePartsOf } from '../live-check.ts';
import { withinTime } from '../time-limit.ts';
import { clusterFindings } from './cluster.ts';
import { databaseFacts, databaseFindings } from './database.ts';
import { type Finding, fine } from './finding.ts';
import { groupFindings } from './group.ts';
import { machineFacts, machineFindings } from './machine.ts';

/** A pipeline to look after; `plan` is null where its file has errors. */
export interface Patient {
  readonly file: string;
  readonly plan: Plan | null;
  readonly problems: readonly Problem[];
}

export interface DiagnoseOptions {
  /** Options of `kafka` connections to look at besides those of the pipelines. */
  readonly connections: readonly Readonly<Record<string, unknown>>[];
  readonly timeoutMs: number;
  /** Between the two looks that growth is told from. */
  readonly sampleMs: number;
  readonly now: () => number;
}

export interface Diagnosis {
  readonly findings: readonly Finding[];
  /** Services that were asked, and those that answered. */
  readonly asked: number;
  readonly answered: number;
}

type Options = Readonly<Record<string, unknown>>;

/** Never rejects for what is wrong with a service: that is a finding. */
export async function diagnose(patients: readonly Patient[], options: DiagnoseOptions): Promise<Diagnosis> {
  const plans = patients.flatMap(({ plan }) => (plan === null ? [] : [plan]));
  const visits: Promise<Visit>[] = [
    ...clustersOf(plans, options.connections).map((cluster) => visitCluster(cluster, options)),
    ...databasesOf(plans).map((database) => visitDatabase(database, options)),
    ...plans.flatMap((plan) =>
      livePartsOf(plan)
        .filter(({ service }) => !isVisited(service, plan))
        .map((part) => visitPart(part, options)),
    ),
  ];
  const files = plans.flatMap(filesOf);
  const machine = machineFindings(await machineFacts(files));
  const visited = await Promise.all(visits);
  const services = visited.filter(({ service }) => service);
  return {
    findings: [...patients.flatMap(problemFindings), ...visited.flatMap(({ findings }) => findings), ...machine],
    asked: services.length,
    answered: services.filter(({ answered }) => answered).length,
  };
}

interface Visit {
  readonly findings: readonly Finding[];
  readonly answered: boolean;
  /** False for what lies on this machine. */
  readonly service: boolean;
}

function problemFindings({ file, problems }: Patient): readonly Finding[] {
  if (problems.length === 0) return [fine('file', file, 'no problems')];
  return problems.map(({ severity, code, message, line, column, hint }) => ({
    severity,
    check: code === 'topic_convention' ? 'convention' : 'file',
    subject: `${file}:${line}:${column}`,
    message,
    remedy: hint,
  }));
}

// -- Kafka ------------------------------------------------------------------------------------------------------------

interface ClusterToVisit {
  readonly options: Options;
  readonly plans: readonly Plan[];
}

const isFromKafka = ({ definition }: Plan): boolean => definition.sources[0].component === 'kafka';

/** Each cluster once, however many pipelines read from it. */
function clustersOf(plans: readonly Plan[], more: readonly Options[]): readonly ClusterToVisit[] {
  const clusters = new Map<string, { options: Options; plans: Plan[] }>();
  const add = (options: Options): Plan[] => {
    const key = JSON.stringify(options);
    const cluster = clusters.get(key) ?? { options, plans: [] };
    clusters.set(key, cluster);
    return cluster.plans;
  };
  for (const plan of plans.filter(isFromKafka)) add(kafkaOptionsOf(plan.definition)).push(plan);
  for (const options of more) add(options);
  return [...clusters.values()];
}

async function visitCluster(cluster: ClusterToVisit, options: DiagnoseOptions): Promise<Visit> {
  const { timeoutMs, sampleMs, now } = options;
  const service = `Kafka at ${readConnection(cluster.options).brokers.join(', ')}`;
  const deadlineMs = now() + timeoutMs + sampleMs;
  return answeredBy(service, 'brokers', timeoutMs + sampleMs, async (signal) => {
    // Half of the time for connecting: a cluster that is away is told as such, not as one that is silentLog.
    const connecting = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs * 0.8)]);
    const admin = await openKafkaAdmin(cluster.options, silentLog, connecting);
    try {
      return await lookAtCluster(admin, cluster, options, deadlineMs);
    } finally {
      await admin.close();
    }
  });
}

/** Kept for what brokers tell at the end, when they have had all other questions. */
const lastLookMs = 2000;

/** What one topic or group keeps from being told, such as one without a leader, hides nothing of the others. */
async function lookAtCluster(
  admin: KafkaAdmin,
  { plans }: ClusterToVisit,
  { sampleMs, now }: DiagnoseOptions,
  deadlineMs: number,
): Promise<readonly Finding[]> {
  const uses = (await Promise.all(plans.map((plan) => topicsOf(plan, admin)))).flat();
  const names = [...new Set(uses.map(({ topic }) => topic))];
  const earlier = await admin.describeCluster(names);
  const startedMs = now();
  const ask = async (subject: string, check: string, question: (signal: AbortSignal) => Promise<readonly Finding[]>) =>
    (await answeredBy(subject, check, Math.max(1000, deadlineMs - lastLookMs - now()), question)).findings;
  const readable = new Set(earlier.topics.filter(({ forbidden }) => !forbidden).map(({ topic }) => topic));
  const reading = uses.filter(({ purpose, topic }) => purpose === 'read' && readable.has(topic));
  const retention = retentionOf(earlier);
  const groupOf = async (plan: Plan, topics: readonly string[]): Promise<readonly Finding[]> => {
    const monitor = new LagMonitor(admin, plan.definition.group, topics);
    await monitor.sample(now);
    await delay(Math.max(0, sampleMs - (now() - startedMs)));
    await monitor.sample(now);
    return groupFindings(monitor.report(), retention);
  };
  const ahead = new Map<string, number>();
  const lookAhead = async (topic: string): Promise<readonly Finding[]> => {
    const aheadMs = await recordsAhead(admin, topic, now());
    if (aheadMs !== null) ahead.set(topic, aheadMs);
    return [];
  };
  const asked = await Promise.all([
    ...plans.map((plan) =>
      ask(`pipeline ${plan.definition.name}`, 'topic', (signal) => partFindings(livePartsOf(plan)[0]!, signal)),
    ),
    // A right that is missing is told by name among the parts of the pipeline.
    ...plans.flatMap((plan) => {
      const topics = topicsRead(plan, reading);
      if (topics.length === 0) return [];
      return ask(`group ${plan.definition.group}`, 'group', async () => (await allowed(groupOf(plan, topics))) ?? []);
    }),
    ...[...new Set(reading.map(({ topic }) => topic))].map((topic) =>
      // What can't be read is told as such by its partitions.
      ask(`topic ${topic}`, 'clock', () => lookAhead(topic).catch(() => [])),
    ),
    delay(Math.max(0, sampleMs - (now() - startedMs))).then(() => []),
  ]);
  const secondsBefore = Math.max(0.001, (now() - startedMs) / 1000);
  const description = await admin.describeCluster(names);
  return [
    ...clusterFindings({ description, earlier: { description: earlier, secondsBefore }, ahead }),
    ...asked.flat().filter(({ severity, subject }) => severity !== 'ok' || !subject.startsWith('offsets ')),
  ];
}

interface PlannedUse {
  readonly topic: string;
  readonly purpose: 'read' | 'dead letters';
  readonly group: string;
}

async function topicsOf({ definition }: Plan, admin: KafkaAdmin): Promise<readonly PlannedUse[]> {
  const { readSelection } = await import('../../connections/kafka/topics.ts');
  const { group, sources, dlq } = definition;
  const uses: PlannedUse[] = [];
  for (const { options } of sources) {
    const { topic, topics } = options as { readonly topic?: string; readonly topics?: string | readonly string[] };
    const selection = readSelection(topics ?? topic ?? [])!;
    const names =
      selection instanceof RegExp ? (await admin.topics()).filter((name) => selection.test(name)) : selection;
    uses.push(...names.map((name): PlannedUse => ({ topic: name, purpose: 'read', group })));
  }
  return 'topic' in dlq ? [...uses, { topic: dlq.topic, purpose: 'dead letters', group }] : uses;
}

const topicsRead = ({ definition }: Plan, uses: readonly PlannedUse[]): readonly string[] => [
  ...new Set(uses.filter(({ group }) => group === definition.group).map(({ topic }) => topic)),
];

/** Records may be a little ahead: clocks differ by milliseconds, and so do the moments of asking. */
const aheadMsMin = 5000;

/** How far the newest record is ahead of us, in ms; null where it is not: Kafka tells no time, but each record has one. */
async function recordsAhead(admin: KafkaAdmin, topic: string, nowMs: number): Promise<number | null> {
  const offsets = await admin.topicOffsets(topic);
  const later = await admin.offsetsAt(topic, nowMs + aheadMsMin);
  const found = offsets.find(({ partition, end }) => (later.get(partition) ?? end) < end);
  if (found === undefined) return null;
  const at = async (offset: number) => {
    const records = await admin.recordsAt(topic, new Map([[found.partition, offset]]));
    return records.get(found.partition) ?? null;
  };
  const first = (await at(found.end - 1)) ?? (await at(later.get(found.partition)!));
  return first === null ? null : Math.max(aheadMsMin, first.timestampMs - nowMs);
}

// -- sinks ------------------------------------------------------------------------------------------------------------

interface DatabaseToVisit {
  readonly options: PostgresOptions;
  readonly parts: readonly LivePart[];
}

function databasesOf(plans: readonly Plan[]): readonly DatabaseToVisit[] {
  const databases = new Map<string, { options: PostgresOptions; parts: LivePart[] }>();
  for (const plan of plans) {
    const parts = livePartsOf(plan).slice(1);
    for (const [index, { use }] of plan.sinks.entries()) {
      if (use.component !== 'postgres') continue;
      const { connection } = use.options as { readonly connection: string };
      const options = (plan.definition.connections[connection]?.options ?? {}) as PostgresOptions;
      const key = JSON.stringify(options);
      const database = databases.get(key) ?? { options, parts: [] };
      databases.set(key, database);
      database.parts.push(parts[index]!);
    }
  }
  return [...databases.values()];
}

/** Its server once, then what each sink needs in it: a server that is away is told once. */
async function visitDatabase({ options, parts }: DatabaseToVisit, { timeoutMs, now }: DiagnoseOptions): Promise<Visit> {
  const names = parts.map(({ service }) => service).join(', ');
  return answeredBy(names, 'sink', timeoutMs, async (signal) => {
    const facts = await databaseFacts(options, now, signal);
    const tables = await Promise.all(parts.map((part) => partFindings(part, signal)));
    return [...databaseFindings(names, facts), ...tables.flat()];
  });
}

/** True where it is looked at with its cluster or its server. */
function isVisited(service: string, { sinks }: Plan): boolean {
  return service === 'Kafka' || sinks.some(({ use }) => use.component === 'postgres' && `sink ${use.name}` === service);
}

/** Files, and what is of no service. */
async function visitPart(part: LivePart, { timeoutMs }: DiagnoseOptions): Promise<Visit> {
  const visit = await answeredBy(part.service, 'sink', timeoutMs, (signal) => partFindings(part, signal));
  return { ...visit, service: false };
}

async function partFindings({ look }: LivePart, signal?: AbortSignal): Promise<readonly Finding[]> {
  return (await look(signal)).map(({ status, subject, message, problem }): Finding => {
    const check = subject.startsWith('topic') ? 'topic' : subject.startsWith('group') ? 'group' : 'exists';
    if (problem !== undefined) {
      const severity = problem.severity ?? 'error';
      const isRight = problem.code === 'kafka_not_authorized';
      const about = isRight ? 'rights' : status === 'breach' ? 'convention' : check;
      return { severity, check: about, subject, message: problem.message, remedy: problem.hint ?? null };
    }
    if (status === 'created')
      return { severity: 'info', check, subject, message: `will be created: ${message}`, remedy: null };
    return { severity: status === 'unknown' ? 'info' : 'ok', check, subject, message, remedy: null };
  });
}

/** What a service answers, or that it does not, and why. */
async function answeredBy(
  service: string,
  check: string,
  limitMs: number,
  ask: (signal: AbortSignal) => Promise<readonly Finding[]>,
): Promise<Visit> {
  try {
    return { findings: await withinTime(limitMs, service, ask), answered: true, service: true };
  } catch (error) {
    const isAway = error instanceof SinkUnavailable;
    if (!isAway && !(error instanceof PipectlError)) {
      // What a driver says in its own words is about the service, not about us.
      const message = error instanceof Error ? error.message : String(error);
      return {
        findings: [{ severity: 'error', check, subject: service, message, remedy: null }],
        answered: false,
        service: true,
      };
    }
    const code = isAway ? 'sink_unavailable' : error.code;
    const runbook = runbookFor(code);
    const hint = isAway ? undefined : error.hint;
    const remedy = [...(hint === undefined ? [] : [hint]), ...(runbook === null ? [] : [runbookCommand(runbook)])];
    const finding: Finding = {
      severity: 'error',
      check,
      subject: service,
      message: error.message,
      remedy: remedy.length === 0 ? null : remedy.join('; '),
    };
    // Who refuses a login has answered.
    return { findings: [finding], answered: !isAway && error.exitCode !== exitCodes.unreachable, service: true };
  }
}

/** What is written on this machine. */
function filesOf({ definition: { directory, dlq, sinks } }: Plan): readonly string[] {
  const written = sinks
    .filter(({ component }) => component === 'file')
    .map(({ options }) => (options as { path: string }).path);
  return [...written, ...('file' in dlq ? [dlq.file] : [])].map((path) => resolve(directory, path));
}
