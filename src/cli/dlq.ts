import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../declaration/units.ts';
import type { Log } from '../engine/ports.ts';
import { exitCodes, PipectlError } from '../errors.ts';
import type { DeadLetterFilter } from '../operations/dead-letters/list.ts';
import type { DeadLetterPlace } from '../operations/dead-letters/queue.ts';
import { environmentOf } from './environment.ts';

interface DlqOptions {
  readonly topic?: string;
  readonly brokers?: string;
  readonly fingerprint?: string;
  readonly stage?: string;
  readonly since?: number;
  readonly until?: number;
  readonly key?: string;
  readonly id?: string;
  readonly output: 'table' | 'json';
  readonly limit: number;
}

/** `pipectl dlq`: what could not be processed, and why. Reads any dead-letter topic and changes nothing. */
export function registerDlq(program: Command): void {
  const dlq = program.command('dlq').description('Shows dead letters: records that could not be processed.');
  subcommand(dlq, 'ls', 'Lists the causes of dead letters: how many, since when, how fast.', 50).action(
    async (file: string | undefined, options: DlqOptions, command: Command) => {
      const [{ listCauses }, { causesJson, causesTable }, place] = await Promise.all([
        import('../operations/dead-letters/list.ts'),
        import('./dlq-output.ts'),
        placeOf(file, environmentOf(command), options),
      ]);
      const nowMs = Date.now();
      const list = await listCauses(place, filterOf(options), nowMs, silent);
      const shown = { ...list, causes: list.causes.slice(0, options.limit) };
      process.stdout.write(
        options.output === 'json' ? causesJson(shown) : causesTable(shown, list.causes.length, nameOf(place), nowMs),
      );
    },
  );
  subcommand(dlq, 'inspect', 'Shows the newest dead letters whole: where from, why, headers, value.', 1).action(
    async (file: string | undefined, options: DlqOptions, command: Command) => {
      const [{ newestDeadLetters }, { lettersJson, lettersText }, place] = await Promise.all([
        import('../operations/dead-letters/list.ts'),
        import('./dlq-output.ts'),
        placeOf(file, environmentOf(command), options),
      ]);
      const letters = await newestDeadLetters(place, filterOf(options), options.limit, silent);
      process.stdout.write(options.output === 'json' ? lettersJson(letters) : lettersText(letters, nameOf(place)));
      process.exitCode = letters.length === 0 ? exitCodes.failed : exitCodes.done;
    },
  );
}

function subcommand(parent: Command, name: string, description: string, limit: number): Command {
  return parent
    .command(name)
    .description(description)
    .argument('[file]', 'pipeline file; default: the one pipeline of this folder')
    .option('--topic <topic>', "a dead-letter topic instead of a pipeline's; Kafka Connect's and Spring's too")
    .option('--brokers <list>', 'host:port,..., with --topic; default: $KAFKA_BROKERS, else localhost:9092')
    .option('--fingerprint <prefix>', 'of one cause')
    .option('--stage <stage>', 'that failed there: decode, timestamp, step:NAME, sink:NAME, or all steps or sinks')
    .option('--since <time>', 'failed at or after a time, or so long ago: 2026-11-22T08:00:00Z, 30m', time)
    .option('--until <time>', 'failed before a time, or so long ago', time)
    .option('--key <text>', 'of records with this key')
    .option('--id <prefix>', 'with this dead-letter id')
    .addOption(new Option('-o, --output <form>', 'form of the output').choices(['table', 'json']).default('table'))
    .option('--limit <n>', 'at most so many', limitUpTo(1000), limit);
}

async function placeOf(
  file: string | undefined,
  environment: string | null,
  { topic, brokers }: DlqOptions,
): Promise<DeadLetterPlace> {
  const { definitionOf, kafkaOptions } = await import('./definition-of.ts');
  if (topic !== undefined) {
    if (file !== undefined)
      throw new PipectlError('usage', 'give a pipeline file or --topic, not both', { exitCode: exitCodes.usage });
    return { topic, connection: kafkaOptions(brokers), isLazy: false };
  }
  const { deadLetterPlace } = await import('../operations/dead-letters/queue.ts');
  return deadLetterPlace(await definitionOf(file, environment));
}

const nameOf = (place: DeadLetterPlace): string => ('file' in place ? place.file : place.topic);

function filterOf({ fingerprint, stage, since, until, key, id }: DlqOptions): DeadLetterFilter {
  return {
    ...(fingerprint === undefined ? {} : { fingerprint }),
    ...(stage === undefined ? {} : { stage }),
    ...(since === undefined ? {} : { sinceMs: since }),
    ...(until === undefined ? {} : { untilMs: until }),
    ...(key === undefined ? {} : { key }),
    ...(id === undefined ? {} : { id }),
  };
}

/** What goes wrong comes back as an error of the call; retries in between are nobody's business here. */
const silent: Log = { info: () => {}, warn: () => {}, error: () => {} };

function time(text: string): number {
  const agoMs = parseDuration(text);
  const atMs = agoMs === undefined ? Date.parse(text) : Date.now() - agoMs;
  if (Number.isNaN(atMs))
    throw new InvalidArgumentError('expected a time such as 2026-11-22T08:00:00Z, or how long ago, such as 30m');
  return atMs;
}

const limitUpTo =
  (max: number) =>
  (text: string): number => {
    const limit = Number(text);
    if (!Number.isInteger(limit) || limit < 1 || limit > max)
      throw new InvalidArgumentError(`expected a number from 1 to ${max}`);
    return limit;
  };
