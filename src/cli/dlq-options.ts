/** What the subcommands of `pipectl dlq` have in common: which queue, and which letters of it. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../declaration/units.ts';
import { exitCodes, PipectlError } from '../errors.ts';
import type { DeadLetterFilter } from '../operations/dead-letters/list.ts';
import type { DeadLetterPlace } from '../operations/dead-letters/queue.ts';

export interface PlaceOptions {
  readonly topic?: string;
  readonly pipeline?: string;
  readonly brokers?: string;
}

export interface FilterOptions {
  readonly fingerprint?: string;
  readonly stage?: string;
  readonly since?: number;
  readonly until?: number;
  readonly key?: string;
  readonly id?: string;
}

/** A subcommand on the letters of a queue. `everywhere`: it takes any queue, not only that of a pipeline file. */
export function dlqCommand(parent: Command, name: string, description: string, everywhere = true): Command {
  const command = parent
    .command(name)
    .description(description)
    .argument('[file]', 'pipeline file; default: the one pipeline of this folder');
  if (everywhere)
    command
      .option('--topic <topic>', "a dead-letter topic instead of a pipeline's; Kafka Connect's and Spring's too")
      .option('--pipeline <name>', 'the topic NAME.dlq, where the file is not at hand')
      .option('--brokers <list>', 'host:port,..., with --topic; default: $KAFKA_BROKERS, else localhost:9092');
  return command;
}

export function withFilters(command: Command): Command {
  return command
    .option('--fingerprint <prefix>', 'of one cause')
    .option('--stage <stage>', 'that failed there: decode, timestamp, step:NAME, sink:NAME, or all steps or sinks')
    .option('--since <time>', 'failed at or after a time, or so long ago: 2026-11-22T08:00:00Z, 30m', time)
    .option('--until <time>', 'failed before a time, or so long ago', time)
    .option('--key <text>', 'of records with this key')
    .option('--id <prefix>', 'with this dead-letter id');
}

/** For commands that act: some letters must be named, or all of them. */
export function withSelection(command: Command): Command {
  return withFilters(command)
    .option('--all', 'all letters; needed where nothing else says which', false)
    .option('--yes', 'also more than 1,000 letters', false);
}

export const withOutput = (command: Command): Command =>
  command.addOption(
    new Option('-o, --output <form>', 'form of the output').choices(['table', 'json']).default('table'),
  );

export async function placeOf(
  file: string | undefined,
  environment: string | null,
  { topic, pipeline, brokers }: PlaceOptions,
): Promise<DeadLetterPlace> {
  const { definitionOf, kafkaOptions } = await import('./definition-of.ts');
  const given = [file, topic, pipeline].filter((one) => one !== undefined);
  if (given.length > 1)
    throw new PipectlError('usage', 'give one of a pipeline file, --topic and --pipeline', {
      exitCode: exitCodes.usage,
    });
  if (topic !== undefined) return { topic, connection: kafkaOptions(brokers), isLazy: false };
  if (pipeline !== undefined) return { topic: `${pipeline}.dlq`, connection: kafkaOptions(brokers), isLazy: false };
  const { deadLetterPlace } = await import('../operations/dead-letters/queue.ts');
  return deadLetterPlace(await definitionOf(file, environment));
}

export const nameOf = (place: DeadLetterPlace): string => ('file' in place ? place.file : place.topic);

export function filterOf({ fingerprint, stage, since, until, key, id }: FilterOptions): DeadLetterFilter {
  return {
    ...(fingerprint === undefined ? {} : { fingerprint }),
    ...(stage === undefined ? {} : { stage }),
    ...(since === undefined ? {} : { sinceMs: since }),
    ...(until === undefined ? {} : { untilMs: until }),
    ...(key === undefined ? {} : { key }),
    ...(id === undefined ? {} : { id }),
  };
}

/** The letters a command acts on are named, or it is said that all are meant. */
export function selectionOf(options: FilterOptions & { readonly all: boolean }): DeadLetterFilter {
  const filter = filterOf(options);
  if (options.all || Object.keys(filter).length > 0) return filter;
  throw new PipectlError('dlq_letters_unnamed', 'which dead letters?', { exitCode: exitCodes.usage });
}

export function time(text: string): number {
  const agoMs = parseDuration(text);
  const atMs = agoMs === undefined ? Date.parse(text) : Date.now() - agoMs;
  if (Number.isNaN(atMs))
    throw new InvalidArgumentError('expected a time such as 2026-11-22T08:00:00Z, or how long ago, such as 30m');
  return atMs;
}

export const limitUpTo =
  (max: number) =>
  (text: string): number => {
    const limit = Number(text);
    if (!Number.isInteger(limit) || limit < 1 || limit > max)
      throw new InvalidArgumentError(`expected a number from 1 to ${max}`);
    return limit;
  };
