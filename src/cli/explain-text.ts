/** An explanation as plain text: sections, aligned columns, nothing that needs colour. */
import type { LiveFindings } from '../operations/live-check.ts';
import { aclCommands, type ClusterNeeds, topicCommands } from '../plan/cluster-needs.ts';
import type {
  ExplainedComponent,
  ExplainedEvent,
  ExplainedSink,
  ExplainedSource,
  ExplainedStep,
  Explanation,
} from '../plan/explain.ts';
import type { Setting } from '../plan/settings.ts';
import { printable } from '../view/text.ts';
import { table } from './table.ts';
import { wrapped } from './wrap.ts';

type Say = (text: string, indent?: number) => string;

/** `width` in columns: sentences are wrapped to it, values are not. */
export function explanationText(explained: Explanation, live: LiveFindings | null, width: number): string {
  const { name, description, file, environment, hash, sources, steps, lookups, sinks, connections, vars, warnings } =
    explained;
  const [only, ...others] = sources;
  const allSteps = only !== undefined && others.length === 0 ? [...only.steps, ...steps] : steps;
  const section = (title: string, ...blocks: readonly string[]): string => `\n${title}\n${blocks.join('')}`;
  const say: Say = (text, indent = 2) => wrapped(text, width, indent);
  const componentsSection = (heading: string, components: readonly ExplainedComponent[]): string =>
    components.length === 0
      ? ''
      : section(heading, ...components.map((one) => `  ${title(one)}\n${settingLines(one.settings, 5)}`));
  return [
    wrapped(`${name}${description === null ? '' : `: ${description}`}`, width, 0),
    `${printable(file, true)}${environment === null ? '' : `, environment ${printable(environment, true)}`}, hash ${hash}\n`,
    settingLines(explained.settings),
    section('STAGES', ...stageLines(explained).map((line) => say(line))),
    ...(only === undefined || others.length > 0
      ? sources.map((source) => section(...sourceBlock(source, say)))
      : [
          section(`SOURCE  ${only.component}${onConnection(only.connection)}`, settingLines(only.settings)),
          section('DECODE', say(decodeSentence(only))),
          section('EVENT TIME', say(eventTimeSentence(only)), settingLines(only.eventTime.settings)),
        ]),
    section(
      'STEPS',
      ...(allSteps.length === 0 ? [say('none: events are written as they are read')] : []),
      ...(others.length > 0 ? [say('for the events of all sources, in no particular order between sources')] : []),
      ...allSteps.map((step, index) => stepText(step, index + 1, say)),
    ),
    componentsSection('LOOKUPS', lookups),
    section('SINKS', ...sinks.map((sink) => sinkText(sink, say))),
    section(
      'DEAD LETTERS',
      settingLines([explained.deadLetters, ...explained.breaker]),
      say(deadLetterSentence(explained)),
      say(breakerSentence(explained)),
    ),
    section(
      'INTERNAL TOPICS',
      say(explained.internalTopics.length === 0 ? 'none: no step keeps state' : explained.internalTopics.join(', ')),
    ),
    componentsSection('CONNECTIONS', connections),
    vars.length === 0 ? '' : section('VARS', settingLines(vars)),
    live === null ? '' : section('LIVE', liveText(live, say)),
    warnings.length === 0
      ? ''
      : section(
          'WARNINGS',
          ...warnings.map(({ place, message, code, hint }) =>
            say(`${place}  ${message} [${code}]${hint === null ? '' : `; ${hint}`}`),
          ),
        ),
  ].join('');
}

const onConnection = (connection: string | null): string => (connection === null ? '' : `, connection ${connection}`);

/** The name, and the component where the name does not say it. */
const title = ({ name, component }: { readonly name: string; readonly component: string }): string =>
  printable(name === component ? component : `${name}  ${component}`, true);

function settingLines(settings: readonly Setting[], indent = 2, unnamed = ''): string {
  const rows = settings.map(({ name, value, origin }) => ({
    name: printable(name === '' ? unnamed : name, true),
    value: valueText(value),
    origin: printable(origin.text, true),
  }));
  const lines = table(
    [
      { title: '', align: 'left', cell: ({ name }) => name },
      { title: '', align: 'left', cell: ({ value }) => value },
      { title: '', align: 'left', cell: ({ origin }) => origin },
    ],
    rows,
  );
  // The header has no titles.
  return lines
    .split('\n')
    .slice(1, -1)
    .map((line) => `${' '.repeat(indent)}${line}\n`)
    .join('');
}

const valueText = (value: unknown): string =>
  printable(typeof value === 'string' ? value : JSON.stringify(value), true);

const stageLines = ({ stages }: Explanation): readonly string[] =>
  stages.map(({ reads, steps, writes, group }, index) => {
    const as = stages.length > 1 && group !== null ? ` as group ${group}` : '';
    const between = steps.length === 0 ? '' : ` through ${steps.join(', ')}`;
    return `${index + 1}  sink stage, keeps no state: reads ${reads}${as}${between}, writes to ${writes.join(', ')}`;
  });

/** One of several sources: its title, and what is said of it. */
function sourceBlock(source: ExplainedSource, say: Say): readonly [string, ...string[]] {
  const { name, component, connection, settings, eventTime, steps } = source;
  const heading = printable(`SOURCE  ${name}  ${component}${onConnection(connection)}`, true);
  return [
    heading,
    settingLines(settings),
    say(`decode: ${decodeSentence(source)}`),
    say(`event time: ${eventTimeSentence(source)}`),
    settingLines(eventTime.settings, 5),
    ...(steps.length === 0 ? [] : [say('its own steps, before its events meet the others:')]),
    ...steps.map((step, index) => stepText(step, index + 1, say)),
  ];
}

function stepText(step: ExplainedStep, number: number, say: Say): string {
  return [
    `  ${number}  ${title(step)}\n`,
    settingLines([...step.settings, step.onError], 5, step.component),
    say(`event after it: ${eventText(step.event)}`, 5),
  ].join('');
}

const decodeSentence = ({ decode: { values, keys } }: ExplainedSource): string =>
  `values as ${values}${keys === null ? '' : `, keys as ${keys}`}; what can't be read is a dead letter of stage decode`;

function eventTimeSentence({ eventTime: { expression }, component }: ExplainedSource): string {
  if (expression !== null)
    return `${expression}; a time that is missing, unreadable or too far ahead makes a dead letter of stage timestamp`;
  return component === 'file' ? 'the time at which the record was read' : "the record's timestamp";
}

function eventText({ fields, open }: ExplainedEvent): string {
  if (fields === null) return 'its fields are not known';
  const known = fields.map(({ name, type }) => `${name} ${type}`).join(', ');
  return open ? `${known}, and what it had before` : known;
}

function sinkText(
  { name, component, settings, connection, when, version, required, group, whileAway, delivery }: ExplainedSink,
  say: Say,
): string {
  const receives =
    when === null
      ? 'every event'
      : when === 'otherwise'
        ? 'events that no other `when` of this pipeline took'
        : `events for which ${when}`;
  return [
    `  ${title({ name, component })}${onConnection(connection)}\n`,
    say(`gets ${receives}`, 5),
    settingLines(settings, 5),
    version === null ? '' : say(`a row is newer where this is higher: ${version}`, 5),
    whileAway.length === 0 ? '' : settingLines(whileAway, 5),
    required
      ? ''
      : say(
          `not required: may fall behind and catch up while the others go on${group === null ? '' : `; reads as group ${group}`}`,
          5,
        ),
    say(`delivery: ${delivery.verdict}: ${delivery.reason}`, 5),
    ...(delivery.limits ?? []).map((limit) => say(`! ${limit}`, 7)),
  ].join('');
}

function deadLetterSentence({ deadLetters, kafka }: Explanation): string {
  const durable = 'a dead letter is durable before a position moves';
  const need = kafka?.topics.find(({ role }) => role === 'dead letters');
  if (deadLetters.name === 'file' || need === undefined) return `${durable}; the file is made with the first one`;
  return `${durable}; ${need.why}: see --topics to create it beforehand`;
}

function breakerSentence({ breaker }: Explanation): string {
  const value = (name: string): unknown => breaker.find((setting) => setting.name === `breaker.${name}`)?.value;
  const ratio = value('ratio');
  if (typeof ratio !== 'number') return 'the breaker is off: however many records fail, the pipeline goes on';
  return `the breaker opens when more than ${Number((ratio * 100).toFixed(4))}% of what is read within ${String(value('over'))}, and at least ${String(value('min'))} records, would become dead letters: nothing of that epoch is written, no position moves, and the pipeline waits for \`pipectl resume\`; with --until-end it ends with exit code 4`;
}

function liveText({ checks }: LiveFindings, say: Say): string {
  return checks.map(({ status, subject, message }) => say(`${mark[status]} ${subject}: ${message}`)).join('');
}

const mark = {
  exists: 'ok     ',
  created: 'create ',
  missing: 'MISSING',
  breach: 'WARNING',
  unknown: '?      ',
} as const;

/** For `--topics`: a table, then the commands. */
export function topicsText(needs: ClusterNeeds): string {
  const columns = [
    { title: 'TOPIC', align: 'left', cell: ({ topic }) => printable(topic, true) },
    { title: 'ROLE', align: 'left', cell: ({ role }) => role },
    { title: 'PARTITIONS', align: 'right', cell: ({ partitions }) => (partitions === null ? '-' : String(partitions)) },
    {
      title: 'SETTINGS',
      align: 'left',
      cell: ({ config }) =>
        Object.entries(config)
          .map(([name, value]) => `${name}=${value}`)
          .join(' ') || '-',
    },
    { title: 'WHY', align: 'left', cell: ({ why }) => why },
  ] as const satisfies Parameters<typeof table<ClusterNeeds['topics'][number]>>[0];
  return `${table(columns, needs.topics)}\n${topicCommands(needs)}`;
}

/** For `--acls`: a table, then the commands. */
export function aclsText(needs: ClusterNeeds): string {
  const columns = [
    { title: 'RESOURCE', align: 'left', cell: ({ resource }) => resource },
    {
      title: 'NAME',
      align: 'left',
      cell: ({ name, pattern }) => printable(pattern === 'prefixed' ? `${name}... (prefix)` : name, true),
    },
    { title: 'OPERATIONS', align: 'left', cell: ({ operations }) => operations.join(' ') },
    { title: 'WHY', align: 'left', cell: ({ why }) => why },
  ] as const satisfies Parameters<typeof table<ClusterNeeds['acls'][number]>>[0];
  return `${table(columns, needs.acls)}\n${aclCommands(needs)}`;
}
