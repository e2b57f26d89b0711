import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { listed, suggestion } from '../definition/suggestion.ts';
import { exitCodes, PipectlError } from '../errors.ts';
import { environmentOf } from './environment.ts';
import { type Template, templates } from './init/templates.ts';

interface InitOptions {
  readonly environment: string | null;
  readonly template?: string;
  readonly list: boolean;
  readonly from?: string;
  readonly topic?: string;
  readonly brokers?: string;
  readonly force: boolean;
}

/** At most so many records are looked at. */
const sampleMax = 100;
const defaultTemplate = 'generated-to-stdout';

/** `pipectl init`: a pipeline with its test, from a template or by sampling a topic. */
export function registerInit(program: Command): void {
  program
    .command('init')
    .description('Writes a pipeline and its test: from a template, or from what a topic holds.')
    .argument('[name]', 'name of the pipeline; default: that of the template or topic')
    .option('--template <template>', `which template; default: ${defaultTemplate}`)
    .option('--list', 'list the templates', false)
    .option('--from <source>', 'kafka: look at the newest records of --topic')
    .option('--topic <topic>', 'with --from kafka')
    .option('--brokers <list>', 'host:port,..., with --from kafka; default: $KAFKA_BROKERS, else localhost:9092')
    .option('--force', 'write over files that are there', false)
    .action(async (name: string | undefined, given: Omit<InitOptions, 'environment'>, command: Command) => {
      if (given.list) process.stdout.write(list());
      else await init(name, { ...given, environment: environmentOf(command) });
    });
}

function list(): string {
  const width = Math.max(...Object.keys(templates).map((name) => name.length));
  return Object.entries(templates)
    .map(([name, { summary }]) => `${name.padEnd(width)}  ${summary}\n`)
    .join('');
}

async function init(given: string | undefined, options: InitOptions): Promise<void> {
  const name = given ?? options.topic ?? options.template ?? defaultTemplate;
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$/.test(name))
    throw usage(`${JSON.stringify(name)} can't name a pipeline: use letters, digits, ".", "_" and "-"`);
  const files = [`${name}.yaml`, `${name}.test.yaml`] as const;
  const there = files.filter((file) => existsSync(file));
  if (there.length > 0 && !options.force) {
    const verb = there.length === 1 ? 'is' : 'are';
    throw new PipectlError('file_exists', `${listed(there, 'and')} ${verb} there already: nothing was written`, {
      hint: 'take another name, or --force to write over it',
    });
  }
  const { pipeline, test, next } = options.from === undefined ? template(options) : await sampled(options);
  const texts = [pipeline, test];
  for (const [index, file] of files.entries()) {
    const text = `${schemaComment(index === 0 ? 'pipeline' : 'test')}${texts[index]!}`;
    await writeFile(file, text, { flag: options.force ? 'w' : 'wx' });
  }
  const steps = [`pipectl validate ${files[0]}`, `pipectl test ${files[1]}`, ...next];
  const shown = steps.map((step) => `  ${step.replace('FILE', files[0])}\n`).join('');
  process.stdout.write(`wrote ${files[0]} and ${files[1]}\nnext:\n${shown}`);
}

function template({ template: name = defaultTemplate, topic, brokers }: InitOptions): Template {
  if (topic !== undefined || brokers !== undefined) throw usage('--topic and --brokers go with --from kafka');
  if (Object.hasOwn(templates, name)) return templates[name]!;
  const names = Object.keys(templates);
  const near = suggestion(name, names);
  throw usage(
    `there is no template ${name}${near === null ? '' : `; did you mean ${near}?`}`,
    `templates: ${listed(names, 'and')}`,
  );
}

async function sampled({
  environment,
  from,
  topic,
  brokers,
  template: name,
}: InitOptions): Promise<Omit<Template, 'summary'>> {
  if (name !== undefined) throw usage('give --template or --from, not both');
  if (from !== 'kafka') throw usage(`--from ${from} is unknown: it is kafka`);
  if (topic === undefined) throw usage('--from kafka needs --topic');
  const [{ planOfTopic, planSamples }, { inferFields }, { sampledPipeline, sampledTest }] = await Promise.all([
    import('./eval/samples.ts'),
    import('./init/infer.ts'),
    import('./init/sampled.ts'),
  ]);
  const { plan, vars } = await planOfTopic(topic, brokers, environment);
  const { scopes, notes } = await planSamples(plan, vars, {
    after: undefined,
    source: undefined,
    count: sampleMax,
    events: null,
    newest: true,
  });
  for (const note of notes) process.stderr.write(`${note}\n`);
  const fields = inferFields(scopes.map(({ event }) => event));
  if (fields.length === 0) {
    const message =
      scopes.length === 0 ? `topic ${topic} holds no readable record` : `the records of ${topic} have no fields`;
    throw new PipectlError('sample_empty', message, { hint: 'begin with a template: `pipectl init --list`' });
  }
  const known = { topic, brokers, count: scopes.length, fields, day: new Date().toISOString().slice(0, 10) };
  return { pipeline: sampledPipeline(known), test: sampledTest(known), next: ['pipectl run FILE'] };
}

/** For editors, where the schemas lie beside the project. */
function schemaComment(kind: 'pipeline' | 'test'): string {
  const path = `node_modules/pipectl/schemas/${kind}.schema.json`;
  return existsSync(path) ? `# yaml-language-server: $schema=${path}\n` : '';
}

const usage = (message: string, hint?: string): PipectlError =>
  new PipectlError('usage', message, { exitCode: exitCodes.usage, ...(hint === undefined ? {} : { hint }) });
