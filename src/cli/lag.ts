import { type Command, InvalidArgumentError, Option } from 'commander';
import { kafkaConnectionOf } from '../definition/kafka-connection.ts';
import { silentLog } from '../engine/ports.ts';
import { errorTable, exitCodes, PipectlError } from '../errors.ts';
import type { LagMonitor } from '../operations/lag.ts';
import { duration } from './duration-option.ts';
import { environmentOf } from './environment.ts';
import { checkLag, lagJson, lagTable, type ShownLag } from './lag-output.ts';

interface LagOptions {
  readonly environment: string | null;
  readonly group?: string;
  readonly brokers?: string;
  readonly interval: number;
  readonly watch?: boolean;
  readonly json?: boolean;
  readonly check?: boolean;
  readonly warnLag?: number;
  readonly maxLag?: number;
  readonly warnSeconds?: number;
  readonly maxSeconds?: number;
}

/** A consumer group, and the sink that reads in it where it is that of an optional sink. */
interface Target {
  readonly group: string;
  readonly sink: string | null;
}

/** `pipectl lag`: how far a consumer group is behind, per partition. */
export function registerLag(program: Command): void {
  program
    .command('lag')
    .description('Shows how far a pipeline is behind, by its consumer groups, or any other group with --group.')
    .argument('[file]', 'pipeline file; default: the one pipeline of this folder')
    .option('--group <group>', 'a consumer group instead of a pipeline')
    .option('--brokers <list>', 'host:port,..., with --group; default: $KAFKA_BROKERS, else localhost:9092')
    .addOption(
      new Option('--interval <duration>', 'between two looks at the offsets').argParser(duration).default(1000, '1s'),
    )
    .option('--watch', 'go on until Ctrl-C')
    .option('--json', 'print JSON; unknown is null, offsets are strings; with --watch one object a line')
    .option('--check', 'print one line and exit 0 ok, 1 warning, 2 critical, 3 unknown')
    .option('--warn-lag <records>', 'with --check: more records of lag are a warning', wholeNumber)
    .option('--max-lag <records>', 'with --check: more records of lag are critical', wholeNumber)
    .option('--warn-seconds <seconds>', 'with --check: an older next record is a warning', wholeNumber)
    .option('--max-seconds <seconds>', 'with --check: an older next record is critical', wholeNumber)
    .action(async (file: string | undefined, given: Omit<LagOptions, 'environment'>, command: Command) => {
      const options = { ...given, environment: environmentOf(command) };
      process.exitCode = options.check === true ? await checked(file, options) : await lag(file, options);
    });
}

async function lag(file: string | undefined, options: LagOptions): Promise<number> {
  await withMonitors(file, options, async (monitors) => {
    do {
      print(await secondLook(monitors, options.interval), options);
    } while (options.watch === true);
  });
  return exitCodes.done;
}

/** After a plugin's conventions: whatever keeps it from knowing is 3, never a failure of its own kind. */
async function checked(file: string | undefined, options: LagOptions): Promise<number> {
  try {
    return await withMonitors(file, options, async (monitors) => {
      const { line, exitCode } = checkLag(await secondLook(monitors, options.interval), options);
      process.stdout.write(line);
      return exitCode;
    });
  } catch (error) {
    if (!(error instanceof PipectlError)) throw error;
    process.stdout.write(`LAG UNKNOWN - ${error.message}\n`);
    return 3;
  }
}

interface Watching extends Target {
  readonly monitor: LagMonitor;
}

/** Takes a sample now, and another one an interval later unless samples were taken before. */
async function secondLook(watched: readonly Watching[], intervalMs: number): Promise<readonly ShownLag[]> {
  const look = () => Promise.all(watched.map(({ monitor }) => monitor.sample(Date.now)));
  if (watched.some(({ monitor }) => monitor.samples === 0)) await look();
  await new Promise((resolve) => setTimeout(resolve, intervalMs));
  await look();
  return watched.map(({ monitor, sink }) => ({ ...monitor.report(), sink }));
}

function print(reports: readonly ShownLag[], { json, watch }: LagOptions): void {
  if (json === true) {
    process.stdout.write(JSON.stringify(lagJson(reports), null, watch === true ? undefined : 2) + '\n');
    return;
  }
  // Home, then clear what is below: no flicker, and what was there before stays in the scrollback.
  if (watch === true && process.stdout.isTTY) process.stdout.write('\u001b[H\u001b[J');
  process.stdout.write(reports.map(lagTable).join('\n'));
}

async function withMonitors<T>(
  file: string | undefined,
  options: LagOptions,
  use: (watched: readonly Watching[]) => Promise<T>,
): Promise<T> {
  const { targets, topics, connection } = await whatToLookAt(file, options);
  const [{ openKafkaAdmin }, { LagMonitor }] = await Promise.all([
    import('../connections/kafka/admin.ts'),
    import('../operations/lag.ts'),
  ]);
  const admin = await openKafkaAdmin(connection, silentLog);
  try {
    return await use(targets.map((target) => ({ ...target, monitor: new LagMonitor(admin, target.group, topics) })));
  } finally {
    await admin.close();
  }
}

async function whatToLookAt(
  file: string | undefined,
  { environment, group, brokers }: LagOptions,
): Promise<{
  readonly targets: readonly Target[];
  readonly topics: readonly string[];
  readonly connection: Readonly<Record<string, unknown>>;
}> {
  const [{ definitionOf, kafkaOptions }, { groupsOf }, { topicsOf }] = await Promise.all([
    import('./definition-of.ts'),
    import('../definition/sink-groups.ts'),
    import('../definition/topics.ts'),
  ]);
  if (group !== undefined) {
    if (file !== undefined)
      throw new PipectlError('usage', 'give a pipeline file or --group, not both', { exitCode: exitCodes.usage });
    return { targets: [{ group, sink: null }], topics: [], connection: kafkaOptions(brokers) };
  }
  const definition = await definitionOf(file, environment);
  const [{ component }] = definition.sources;
  if (component !== 'kafka') {
    throw new PipectlError(
      'no_consumer_group',
      `${definition.name} reads from ${component}, which has no consumer group`,
      {
        hint: errorTable.no_consumer_group.hint,
      },
    );
  }
  return {
    targets: groupsOf(definition),
    // A regular expression says nothing about topics the group has not seen yet.
    topics: definition.sources.flatMap(topicsOf).filter((name) => !name.startsWith('/')),
    connection: definition.connections[kafkaConnectionOf(definition)]?.options ?? kafkaOptions(brokers),
  };
}

function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('expected a whole number');
  return Number(text);
}
