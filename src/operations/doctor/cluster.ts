/** What may be said of a Kafka cluster from what it told: brokers, disks, copies of the topics that are used. Pure. */
import type {
  BrokerDescription,
  ClusterDescription,
  TopicDescription,
} from '../../connections/kafka/cluster-description.ts';
import { bytesText, counted, diskFinding, type Finding, fine, partitionsText } from './finding.ts';

export interface ClusterFacts {
  readonly description: ClusterDescription;
  /** The same a while earlier, for growth; null where it was looked at only once. */
  readonly earlier: { readonly description: ClusterDescription; readonly secondsBefore: number } | null;
  /** How far the newest records of a topic are ahead of this machine's clock, in milliseconds. */
  readonly ahead: ReadonlyMap<string, number>;
}

const brokersMin = 3;
const copiesMin = 3;
/** Fetch versions and the release that brought them (Kafka's protocol guide). */
const releases: readonly (readonly [fetchVersion: number, release: string])[] = [
  [17, '3.9'],
  [16, '3.7'],
  [15, '3.5'],
  [13, '3.1'],
  [12, '2.7'],
];

export function clusterFindings(facts: ClusterFacts): readonly Finding[] {
  const { description, earlier, ahead } = facts;
  const answering = new Set(description.brokers.filter(({ failure }) => failure === null).map(({ id }) => id));
  return [
    ...brokerFindings(description.brokers),
    ...absentFindings(description),
    ...description.brokers.flatMap((broker) => diskFindings(broker, earlier)),
    ...description.topics.flatMap((topic) => [
      ...topicFindings(topic, answering),
      topicDiskFinding(topic.topic, description, earlier),
    ]),
    ...clockFindings(description.topics, ahead),
  ];
}

function brokerFindings(brokers: readonly BrokerDescription[]): readonly Finding[] {
  const subject = 'cluster';
  const answering = brokers.filter(({ failure }) => failure === null);
  const findings: Finding[] = brokers
    .filter(({ failure }) => failure !== null)
    .map((broker) => ({
      severity: 'error',
      check: 'brokers',
      subject: nameOf(broker),
      message: `does not answer: ${broker.failure}`,
      remedy: 'pipectl runbook broker-failure',
    }));
  const count = counted(answering.length, 'broker');
  findings.push(
    answering.length >= brokersMin
      ? fine('brokers', subject, count)
      : {
          severity: 'warning',
          check: 'brokers',
          subject,
          message: `${count}: the loss of one stops the pipeline, and may lose records`,
          remedy: `run ${brokersMin} or more, on machines of their own`,
        },
  );
  const versions = new Set(answering.map(({ fetchVersion }) => fetchVersion));
  if (versions.size > 1) {
    const each = answering.map((broker) => `${broker.id}: ${releaseOf(broker)}`).join(', ');
    const message = `brokers are of different releases (${each})`;
    findings.push({ severity: 'warning', check: 'versions', subject, message, remedy: 'finish the upgrade' });
  } else if (answering[0] !== undefined) findings.push(fine('versions', subject, releaseOf(answering[0])));
  return findings;
}

/** A broker that is down is not listed, but copies are still said to be on it. */
function absentFindings({ brokers, topics }: ClusterDescription): readonly Finding[] {
  const there = new Set(brokers.map(({ id }) => id));
  const wanted = new Set(topics.flatMap(({ copies }) => copies.flatMap(({ replicas }) => replicas)));
  return [...wanted]
    .filter((id) => !there.has(id))
    .toSorted((a, b) => a - b)
    .map((id) => ({
      severity: 'error',
      check: 'brokers',
      subject: `broker ${id}`,
      message: 'is not up, and has copies of topics that are used',
      remedy: 'pipectl runbook broker-failure',
    }));
}

const nameOf = ({ id, host, port }: BrokerDescription): string => `broker ${id} (${host}:${port})`;

function releaseOf({ fetchVersion }: BrokerDescription): string {
  const release = releases.find(([version]) => (fetchVersion ?? 0) >= version)?.[1];
  return release === undefined ? 'Kafka before 2.7' : `Kafka ${release} or later`;
}

function diskFindings(broker: BrokerDescription, earlier: ClusterFacts['earlier']): readonly Finding[] {
  if (broker.failure !== null) return [];
  if (broker.disks === null) {
    const message = 'its disks are not shown to this user';
    const remedy = 'grant Describe on the cluster to see them';
    return [{ severity: 'info', check: 'disk', subject: nameOf(broker), message, remedy }];
  }
  const former = earlier?.description.brokers.find(({ id }) => id === broker.id)?.disks ?? [];
  return broker.disks.map((disk): Finding => {
    const subject = `${nameOf(broker)} ${disk.path}`;
    if (disk.failed) {
      const message = 'the directory has failed: its partitions can not be read';
      const remedy = 'replace the disk and restart the broker; copies on other brokers fill it again';
      return { severity: 'error', check: 'disk', subject, message, remedy };
    }
    const before = former.find(({ path }) => path === disk.path);
    const growthPerSecond =
      before === undefined || earlier === null
        ? null
        : (bytesIn(disk.topics) - bytesIn(before.topics)) / earlier.secondsBefore;
    const { totalBytes, usableBytes } = disk;
    if (totalBytes === null || usableBytes === null)
      return fine(
        'disk',
        subject,
        `${bytesText(bytesIn(disk.topics))} of records; brokers before Kafka 3.3 do not tell what is free`,
      );
    return diskFinding(subject, { totalBytes, usableBytes, growthPerSecond });
  });
}

const bytesIn = (topics: ReadonlyMap<string, number>): number =>
  [...topics.values()].reduce((sum, bytes) => sum + bytes, 0);

/** Of all copies; null where no broker tells. */
function topicBytes(topic: string, { brokers }: ClusterDescription): number | null {
  const disks = brokers.flatMap((broker) => broker.disks ?? []);
  return disks.length === 0 ? null : disks.reduce((sum, { topics }) => sum + (topics.get(topic) ?? 0), 0);
}

function topicDiskFinding(topic: string, now: ClusterDescription, earlier: ClusterFacts['earlier']): Finding {
  const bytes = topicBytes(topic, now);
  const subject = `topic ${topic}`;
  if (bytes === null) return fine('disk', subject, 'its size is not shown to this user');
  const before = earlier === null ? null : topicBytes(topic, earlier.description);
  const growth =
    before === null || earlier === null ? '' : `, grows by ${bytesText((bytes - before) / earlier.secondsBefore)}/s`;
  return fine('disk', subject, `${bytesText(bytes)} in all copies${growth}`);
}

/** `answering`: the brokers that do. */
function topicFindings(
  { topic, copies, settings, forbidden }: TopicDescription,
  answering: ReadonlySet<number>,
): readonly Finding[] {
  const subject = `topic ${topic}`;
  if (forbidden) return [];
  const inSyncMin = Number(settings?.get('min.insync.replicas') ?? Number.NaN);
  const partitionsWhere = (fits: (copy: (typeof copies)[number]) => boolean) =>
    copies.filter(fits).map(({ partition }) => partition);
  const fewest = Math.min(...copies.map(({ replicas }) => replicas.length));
  // Where most controllers are gone nobody says who leads now: it is still said to be one that is gone.
  const offline = partitionsWhere(({ leader }) => leader === null || !answering.has(leader));
  const lacking = partitionsWhere(({ inSync, replicas }) => inSync.length < replicas.length);
  // Brokers ask for no more copies than there are.
  const spare = ({ inSync, replicas }: (typeof copies)[number]) => inSync.length - Math.min(inSyncMin, replicas.length);
  const refusing = partitionsWhere((copy) => spare(copy) < 0);
  const last = partitionsWhere((copy) => spare(copy) === 0 && copy.inSync.length < copy.replicas.length);
  const findings: Finding[] = [];
  const add = (severity: Finding['severity'], check: string, message: string, remedy: string) =>
    findings.push({ severity, check, subject, message, remedy });
  if (offline.length > 0)
    add(
      'error',
      'offline',
      `no leader that answers: ${partitionsText(offline)} can be neither read nor written`,
      'pipectl runbook broker-failure',
    );
  if (lacking.length > 0)
    add(
      'warning',
      'under-replicated',
      `fewer copies in sync than there should be: ${partitionsText(lacking)}`,
      'pipectl runbook broker-failure',
    );
  if (refusing.length > 0)
    add(
      'error',
      'min-insync',
      `fewer than ${inSyncMin} copies in sync, so writes are refused: ${partitionsText(refusing)}`,
      'bring the missing brokers back',
    );
  if (last.length > 0)
    add(
      'warning',
      'min-insync',
      `no more copies in sync than the ${inSyncMin} that writes need, so the next broker that goes stops them: ${partitionsText(last)}`,
      'bring the missing brokers back',
    );
  if (fewest < copiesMin) {
    const message =
      fewest === 1 ? 'one copy: the loss of a disk loses records' : `${fewest} copies: only one broker may be away`;
    add('warning', 'replication', message, `give it ${copiesMin} copies (kafka-reassign-partitions)`);
  } else findings.push(fine('replication', subject, `${fewest} copies of each partition`));
  if (fewest > 1 && inSyncMin === 1)
    add(
      'warning',
      'min-insync',
      'min.insync.replicas is 1: an acknowledged record may be on one broker alone',
      'set it to 2',
    );
  if (fewest > 1 && inSyncMin >= fewest)
    add(
      'warning',
      'min-insync',
      `min.insync.replicas is ${inSyncMin} of ${fewest} copies: no broker may be away`,
      `set it to ${fewest - 1}`,
    );
  return findings;
}

function clockFindings(topics: readonly TopicDescription[], ahead: ReadonlyMap<string, number>): readonly Finding[] {
  return topics.flatMap(({ topic }): readonly Finding[] => {
    const aheadMs = ahead.get(topic);
    if (aheadMs === undefined) return [];
    const message = `newest records are ${Math.round(aheadMs / 1000)} s ahead of the clock of this machine`;
    const remedy = 'synchronize this machine (NTP), else the clocks of the producers; pipectl runbook late-data';
    return [{ severity: 'warning', check: 'clock', subject: `topic ${topic}`, message, remedy }];
  });
}
