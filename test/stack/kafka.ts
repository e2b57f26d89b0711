import { randomBytes } from 'node:crypto';
import { cp, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Admin } from '@platformatic/kafka';
import { StackUnavailableError, installed } from './install.ts';
import { type Java, findJava } from './java.ts';
import {
  addScramUser,
  type KafkaSecurity,
  makeCertificates,
  type SecureListeners,
  securitySettings,
} from './kafka-secure.ts';
import { freePort, host } from './loopback.ts';
import type { Profile, Run } from './run.ts';
import { ProcessFailure, ServiceProcess } from './supervised.ts';

const pom = path.join(import.meta.dirname, 'pom.xml');
const copyDependencies = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';

export interface KafkaOptions {
  /** Brokers, each of them a controller too. */
  readonly kafkaNodes?: 1 | 3;
  /** Also listen with TLS, and with TLS and SASL; with one broker. */
  readonly kafkaSecurity?: boolean;
}

/** A running Kafka. */
export interface KafkaService {
  /** `127.0.0.1:port`, a broker each, comma-separated where there are three. */
  readonly brokers: string;
  /** One for each broker: kill, stop, restart, pause, resume. */
  readonly nodes: readonly ServiceProcess[];
  readonly security?: KafkaSecurity;
}

export interface KafkaInstallation {
  readonly java: Java;
  readonly classPath: string;
  /** An empty log directory, formatted. */
  readonly formatted: string;
  /** Classes as a running broker has them in memory (AppCDS); missing where it could not be made. */
  readonly archive: string | undefined;
}

/** Apache Kafka in KRaft mode. */
export const kafka = {
  async install(run: Run): Promise<KafkaInstallation> {
    const java = await findJava();
    const libraries = await installed('kafka', [await readFile(pom, 'utf8')], (directory) =>
      run.timed('kafka', 'downloaded', () => download(run, directory)),
    );
    const jars = (await readdir(libraries)).filter((name) => name.endsWith('.jar')).toSorted();
    const classPath = jars.map((jar) => path.join(libraries, jar)).join(path.delimiter);
    const formatted = await installed('kafka-formatted', [classPath], (directory) =>
      format(run, java, classPath, directory),
    );
    const plain: KafkaInstallation = { java, classPath, formatted, archive: undefined };
    try {
      const folder = await installed('kafka-archive', [classPath, java.version], (directory) =>
        run.timed('kafka', 'class archive for fast starts made', () => makeArchive(run, plain, directory)),
      );
      return { ...plain, archive: path.join(folder, archiveName) };
    } catch (error) {
      run.report('kafka', `starts slower, without a class archive: ${(error as Error).message}`);
      return plain;
    }
  },

  async start(run: Run, installation: KafkaInstallation, options: KafkaOptions): Promise<KafkaService> {
    const secure = options.kafkaSecurity === true ? await secureListeners(run.dataDirectory) : undefined;
    const nodes = await startNodes(run, installation, options.kafkaNodes ?? 1, { secure });
    const brokers = nodes.map(({ address }) => address).join(',');
    const service = { brokers, nodes: nodes.map(({ process }) => process) };
    if (secure === undefined) return service;
    const { username, password, limitedUsername, certificates } = secure;
    for (const name of [username, limitedUsername]) await addScramUser(brokers, name, password);
    const tlsBrokers = `${host}:${secure.tlsPort}`;
    return {
      ...service,
      security: {
        ...certificates,
        username,
        password,
        limitedUsername,
        tlsBrokers,
        saslBrokers: `${host}:${secure.saslPort}`,
      },
    };
  },

  address: ({ brokers }: KafkaService): string => brokers,
  variable: 'KAFKA_BROKERS',
};

async function secureListeners(directory: string): Promise<SecureListeners> {
  return {
    tlsPort: await freePort(),
    saslPort: await freePort(),
    certificates: await makeCertificates(directory),
    username: 'alice',
    limitedUsername: 'bob',
    password: randomBytes(12).toString('hex'),
  };
}

async function download(run: Run, directory: string): Promise<void> {
  run.report('kafka', 'downloading with Maven, about 55 MB the first time');
  const args = [
    '-B',
    '-ntp',
    '-q',
    '-f',
    pom,
    copyDependencies,
    `-DoutputDirectory=${directory}`,
    '-DincludeScope=runtime',
  ];
  try {
    await run.supervisor.run('kafka-maven', {
      command: 'mvn',
      args,
      logFile: run.logFile('kafka-maven'),
      cleanupSignal: 'SIGKILL',
    });
  } catch (error) {
    if (error instanceof ProcessFailure && error.how.problem === 'ENOENT') {
      throw new StackUnavailableError(
        'maven_missing',
        'Kafka is installed by Maven and none was found',
        'install Maven 3.8 or later (Debian: apt install maven)',
      );
    }
    throw error;
  }
}

/** A log directory with the features of this version; `meta.properties` is written anew for every node. */
async function format(run: Run, java: Java, classPath: string, directory: string): Promise<void> {
  const properties = path.join(run.dataDirectory, 'format.properties');
  await writeFile(
    properties,
    serverProperties({ nodeId: 1, brokerPort: 1, controllerPorts: [2], logDirectory: directory }),
  );
  await run.supervisor.run('kafka-format', {
    command: java.command,
    args: [
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      'kafka.tools.StorageTool',
      'format',
      '-t',
      uuid(),
      '-c',
      properties,
    ],
    env: { CLASSPATH: classPath },
    logFile: run.logFile('kafka-format'),
    cleanupSignal: 'SIGKILL',
  });
}

const archiveName = 'kafka.jsa';

/** Runs a broker once and has it write down the classes it loaded, when it ends. */
async function makeArchive(run: Run, installation: KafkaInstallation, directory: string): Promise<void> {
  const archive = path.join(directory, archiveName);
  const [node] = await startNodes(run, installation, 1, {
    name: 'kafka-training',
    javaFlags: [`-XX:ArchiveClassesAtExit=${archive}`],
  });
  await node?.process.stop();
  if (!(await readdir(directory)).includes(archiveName)) throw new Error('Java wrote none');
}

interface Node {
  readonly address: string;
  readonly process: ServiceProcess;
}

async function startNodes(
  run: Run,
  installation: KafkaInstallation,
  count: 1 | 3,
  options: { name?: string; javaFlags?: readonly string[]; secure?: SecureListeners | undefined } = {},
): Promise<Node[]> {
  const { name = 'kafka', secure } = options;
  const archived = installation.archive === undefined ? [] : [`-XX:SharedArchiveFile=${installation.archive}`];
  const javaFlags = options.javaFlags ?? archived;
  const ids = Array.from({ length: count }, (_, index) => index + 1);
  const controllerPorts = await Promise.all(ids.map(freePort));
  const clusterId = uuid();
  const nodes = await Promise.all(
    ids.map(async (nodeId): Promise<Node> => {
      const nodeName = count === 1 ? name : `${name}-${nodeId}`;
      const directory = path.join(run.dataDirectory, nodeName);
      const logDirectory = path.join(directory, 'log');
      await mkdir(path.join(directory, 'tmp'), { recursive: true });
      await cp(installation.formatted, logDirectory, { recursive: true });
      await writeFile(
        path.join(logDirectory, 'meta.properties'),
        `version=1\ncluster.id=${clusterId}\nnode.id=${nodeId}\ndirectory.id=${uuid()}\n`,
      );
      const brokerPort = await freePort();
      const properties = path.join(directory, 'server.properties');
      await writeFile(properties, serverProperties({ nodeId, brokerPort, controllerPorts, logDirectory, secure }));
      const address = `${host}:${brokerPort}`;
      const service = new ServiceProcess(nodeName, run.supervisor, {
        command: installation.java.command,
        args: [
          ...jvmFlagsOf[run.profile],
          '-XX:+UseSerialGC',
          '-Xss512k',
          // Its file in the shared temporary directory would outlive a kill.
          '-XX:-UsePerfData',
          ...javaFlags,
          // Unpacked native libraries go where the data goes, and leave with it.
          `-Djava.io.tmpdir=${path.join(directory, 'tmp')}`,
          '-Dlog4j2.level=INFO',
          'kafka.Kafka',
          properties,
        ],
        env: { CLASSPATH: installation.classPath },
        cwd: directory,
        logFile: run.logFile(nodeName),
        stopSignal: 'SIGTERM',
        cleanupSignal: 'SIGKILL',
        isReady: () => answers(address),
      });
      return { address, process: service };
    }),
  );
  await Promise.all(nodes.map((node) => node.process.start()));
  return nodes;
}

const jvmFlagsOf = {
  test: ['-Xms128m', '-Xmx384m', '-XX:TieredStopAtLevel=1'],
  bench: ['-Xms1g', '-Xmx1g'],
} as const satisfies Record<Profile, readonly string[]>;

/** Ready means registered and unfenced: the broker names itself in the cluster's metadata. */
async function answers(address: string): Promise<void> {
  const client = new Admin({
    clientId: 'stack',
    bootstrapBrokers: [address],
    connectTimeout: 1_000,
    timeout: 2_000,
    retries: 0,
  });
  try {
    const { brokers } = await client.metadata({ topics: [] });
    const names = [...brokers.values()].map((broker) => `${broker.host}:${broker.port}`);
    if (!names.includes(address)) throw new Error(`${address} is not registered yet`);
  } finally {
    await client.close();
  }
}

interface NodeSettings {
  readonly nodeId: number;
  readonly brokerPort: number;
  readonly controllerPorts: readonly number[];
  readonly logDirectory: string;
  readonly secure?: SecureListeners | undefined;
}

function serverProperties({ nodeId, brokerPort, controllerPorts, logDirectory, secure }: NodeSettings): string {
  const replicas = controllerPorts.length;
  const inSync = Math.min(replicas, 2);
  const voters = controllerPorts.map((port, index) => `${index + 1}@${host}:${port}`).join(',');
  const plain = `PLAINTEXT://${host}:${brokerPort}`;
  const open =
    secure === undefined
      ? plain
      : `${plain},SECURE://${host}:${secure.tlsPort},SECURE_LOGIN://${host}:${secure.saslPort}`;
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': nodeId,
    'controller.quorum.voters': voters,
    'controller.listener.names': 'CONTROLLER',
    listeners: `${open},CONTROLLER://${host}:${controllerPorts[nodeId - 1]}`,
    'advertised.listeners': open,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SSL,SECURE_LOGIN:SASL_SSL',
    'log.dirs': logDirectory,
    // A topic that was misspelt must be an error, not a new topic.
    'auto.create.topics.enable': false,
    'default.replication.factor': replicas,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': replicas,
    'offsets.topic.num.partitions': 5,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': inSync,
    'transaction.state.log.num.partitions': 5,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': inSync,
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 1_000,
    // A broker that was killed is given up, and let in again, sooner than after the default of 9 s.
    'broker.session.timeout.ms': 3_000,
    'broker.heartbeat.interval.ms': 500,
    ...(secure === undefined ? {} : securitySettings(secure)),
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

/** 16 random bytes in Kafka's form: URL-safe base64 that does not begin with a dash, which a shell would take for an option. */
function uuid(): string {
  const text = randomBytes(16).toString('base64url');
  return text.startsWith('-') ? uuid() : text;
}
