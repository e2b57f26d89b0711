import { type Command, Option } from 'commander';
import { findPipeline } from '../definition/find.ts';
import { loadPipeline } from '../definition/load.ts';
import type { Override } from '../definition/overrides.ts';
import { report } from '../definition/report.ts';
import { exitCodes, PipectlError } from '../errors.ts';
import { environmentOf } from './environment.ts';
import { outputWidth } from './wrap.ts';
import { collectOverride } from './set-option.ts';

interface ExplainOptions {
  readonly output: 'text' | 'json' | 'mermaid';
  readonly topics?: boolean;
  readonly acls?: boolean;
  readonly live?: boolean;
  readonly set: readonly Override[];
}

/** `pipectl explain`: what a pipeline will do, offline unless `--live` is given. */
export function registerExplain(program: Command): void {
  program
    .command('explain')
    .alias('plan')
    .description('Shows what a pipeline will do: stages, types, where each value comes from, what may be relied on.')
    .argument('[file]', 'pipeline file; default: the one pipeline of this folder')
    .addOption(
      new Option('-o, --output <form>', 'form of the output').choices(['text', 'json', 'mermaid']).default('text'),
    )
    .option('--topics', 'only the topics that must be there, with the commands that create them')
    .option('--acls', 'only the rights it needs in Kafka, with the commands that give them')
    .option('--live', 'connect, and add what exists and what `run` would create')
    .option('--set <path=value>', 'override a value of the file; may be given again', collectOverride, [])
    .action(async (file: string | undefined, options: ExplainOptions, command: Command) => {
      process.stdout.write(await explain(file, environmentOf(command), options));
    });
}

async function explain(
  named: string | undefined,
  environment: string | null,
  { output, topics, acls, live, set }: ExplainOptions,
): Promise<string> {
  const partial = topics === true || acls === true;
  if (partial && (output === 'mermaid' || live === true)) {
    const message = `--topics and --acls go with neither ${live === true ? '--live' : '-o mermaid'}`;
    throw new PipectlError('usage', message, { exitCode: exitCodes.usage });
  }
  if (live === true && output === 'mermaid')
    throw new PipectlError('usage', '--live has no place in -o mermaid', { exitCode: exitCodes.usage });
  const file = findPipeline(named);
  const [{ planPipeline }, { explainPipeline }, { Written }] = await Promise.all([
    import('../plan/index.ts'),
    import('../plan/explain.ts'),
    import('../plan/written.ts'),
  ]);
  const { env } = process;
  // Variables may be unset and secret files closed, unless it is about to connect.
  const mode = live === true ? 'run' : 'validate';
  const loaded = await loadPipeline(file, { env, mode, opensEnvFile: true, environment, set });
  const plan = await planPipeline(loaded);
  if (plan === null) {
    const text = report([{ file, problems: loaded.problems.sorted() }], 'text').trimEnd();
    throw new PipectlError('pipeline_invalid', `${file} can't be explained as it is\n${text}`);
  }
  const explained = explainPipeline(
    plan,
    loaded,
    new Written(file, { env, envFile: loaded.envFile, environment, set }),
  );
  if (partial) return neededText(explained, { topics, acls, output });
  const found = live === true ? await (await import('../operations/live-check.ts')).checkLive(plan) : null;
  switch (output) {
    case 'json':
      return `${JSON.stringify({ ...explained, ...(found === null ? {} : { live: found }) }, null, 2)}\n`;
    case 'mermaid':
      return (await import('./explain-mermaid.ts')).explanationMermaid(explained);
    case 'text':
      return (await import('./explain-text.ts')).explanationText(explained, found, outputWidth());
  }
}

async function neededText(
  { kafka, name, sources }: import('../plan/explain.ts').Explanation,
  {
    topics,
    acls,
    output,
  }: { readonly topics: boolean | undefined; readonly acls: boolean | undefined; readonly output: string },
): Promise<string> {
  if (kafka === null) {
    const message = `${name} reads from ${sources[0]!.component}: it needs no topics and no rights in Kafka`;
    throw new PipectlError('no_kafka', message, { hint: 'leave --topics and --acls out', exitCode: exitCodes.usage });
  }
  const { aclCommands, topicCommands } = await import('../plan/cluster-needs.ts');
  if (output === 'json') {
    const commandsOf = (text: string): readonly string[] =>
      text.split('\n').filter((line) => line.startsWith('kafka-'));
    const needed = {
      brokers: kafka.brokers,
      user: kafka.user,
      ...(topics === true ? { topics: kafka.topics } : {}),
      ...(acls === true ? { acls: kafka.acls } : {}),
      commands: [
        ...(topics === true ? commandsOf(topicCommands(kafka)) : []),
        ...(acls === true ? commandsOf(aclCommands(kafka)) : []),
      ],
    };
    return `${JSON.stringify(needed, null, 2)}\n`;
  }
  const { aclsText, topicsText } = await import('./explain-text.ts');
  return [...(topics === true ? [topicsText(kafka)] : []), ...(acls === true ? [aclsText(kafka)] : [])].join('\n');
}
