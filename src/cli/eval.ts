import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Override } from '../definition/overrides.ts';
import { exitCodes, PipectlError } from '../errors.ts';
import { environmentOf } from './environment.ts';
import type { Samples } from './eval/samples.ts';
import { collectOverride } from './set-option.ts';

interface EvalOptions {
  readonly environment: string | null;
  readonly event?: string;
  readonly topic?: string;
  readonly brokers?: string;
  readonly pipeline?: string;
  readonly after?: string;
  readonly source?: string;
  readonly set: readonly Override[];
  readonly n: number;
  readonly output: 'text' | 'json';
}

const countMax = 1000;

/** `pipectl eval`: tries an expression on sample events. */
export function registerEval(program: Command): void {
  program
    .command('eval')
    .description('Evaluates an expression on sample events; without one, at a prompt with completion.')
    .argument('[expression]', "such as 'event.qty * event.price'")
    .option('--event <file>', 'events from a file: one JSON value, a list, or one a line; - is standard input')
    .option('--topic <topic>', 'the newest records of a Kafka topic, as JSON')
    .option('--brokers <list>', 'host:port,..., with --topic; default: $KAFKA_BROKERS, else localhost:9092')
    .option('--pipeline <file>', 'events as a pipeline makes them, from its own source or from --event')
    .option('--after <step>', 'with --pipeline: after this step; default: after all of them')
    .option('--source <name>', 'with --pipeline: only events of this source')
    .option(
      '--set <path=value>',
      'with --pipeline: override a value of the file; may be given again',
      collectOverride,
      [],
    )
    .option('-n <count>', 'at most so many events', count, 5)
    .addOption(new Option('-o, --output <form>', 'form of the output').choices(['text', 'json']).default('text'))
    .action(async (expression: string | undefined, given: Omit<EvalOptions, 'environment'>, command: Command) => {
      process.exitCode = await evaluate(expression, { ...given, environment: environmentOf(command) });
    });
}

async function evaluate(text: string | undefined, options: EvalOptions): Promise<number> {
  checkUsage(text, options);
  const [samples, { answer, answerJson, answerText, compileOn }] = await Promise.all([
    samplesOf(options),
    import('./eval/answers.ts'),
  ]);
  for (const note of samples.notes) process.stderr.write(`${note}\n`);
  if (samples.scopes.length === 0) {
    process.stderr.write('pipectl: there is no event to evaluate on\n');
    return exitCodes.failed;
  }
  if (text === undefined) {
    const { runPrompt } = await import('./eval/prompt.ts');
    await runPrompt(samples, { input: process.stdin, output: process.stdout, terminal: true });
    return exitCodes.done;
  }
  const expression = compileOn(text, samples);
  const answers = samples.scopes.map((scope) => answer(expression, scope, samples.secrets));
  const several = answers.length > 1;
  const lines = answers.map((given, index) =>
    options.output === 'json' ? answerJson(given) : `${several ? `${index + 1}: ` : ''}${answerText(given)}`,
  );
  process.stdout.write(`${lines.join('\n')}\n`);
  return answers.some((given) => 'error' in given) ? exitCodes.failed : exitCodes.done;
}

function checkUsage(text: string | undefined, { event, topic, brokers, pipeline, after, source }: EvalOptions): void {
  const wrong = (message: string, hint?: string) => {
    throw new PipectlError('usage', message, { exitCode: exitCodes.usage, ...(hint === undefined ? {} : { hint }) });
  };
  if (topic !== undefined && (event !== undefined || pipeline !== undefined))
    wrong('--topic goes with neither --event nor --pipeline');
  if (after !== undefined && pipeline === undefined) wrong('--after needs --pipeline');
  if (source !== undefined && pipeline === undefined) wrong('--source needs --pipeline');
  if (brokers !== undefined && topic === undefined) wrong('--brokers needs --topic');
  const isTerminal = process.stdin.isTTY && process.stdout.isTTY;
  if (text === undefined && (event === '-' || !isTerminal))
    wrong('an expression is needed here', "such as: pipectl eval 'event.qty * 2' --event orders.ndjson");
}

async function samplesOf({
  environment,
  event,
  topic,
  brokers,
  pipeline,
  after,
  source,
  set,
  n,
}: EvalOptions): Promise<Samples> {
  const { planOfTopic, planSamples, plainSamples, readEvents, readText } = await import('./eval/samples.ts');
  const events = event === undefined ? null : readEvents(await readText(event), event === '-' ? 'stdin' : event);
  if (topic !== undefined) {
    const { plan, vars } = await planOfTopic(topic, brokers, environment);
    return planSamples(plan, vars, { after: undefined, source: undefined, count: n, events: null, newest: true });
  }
  if (pipeline !== undefined) {
    const { planFile } = await import('./plan-file.ts');
    const plan = await planFile(pipeline, set, environment);
    return planSamples(plan, plan.definition.vars, { after, source, count: n, events, newest: false });
  }
  return plainSamples((events ?? [{}]).slice(0, n));
}

function count(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= countMax) return number;
  throw new InvalidArgumentError(`expected a number from 1 to ${countMax}`);
}
