/** What a test file says about its pipeline, checked against the pipeline: names of sinks, stages and vars. */
import type { LoadedPipeline } from '../definition/load.ts';
import type { ValuePath } from '../definition/pipeline.ts';
import { pathText, type ProblemList } from '../definition/problems.ts';
import { listed, suggestion } from '../definition/suggestion.ts';
import type { YamlSource } from '../definition/yaml-source.ts';
import { unknownVar } from '../expressions/index.ts';
import type { Plan } from '../plan/index.ts';
import { sourceOf } from './record-source.ts';
import type { TestCase } from './test-file.ts';

/** Sinks, stages and lookups that a case names must be those of the pipeline, and it must have rows for all lookups. */
export function checkCase(test: TestCase, plan: Plan, source: YamlSource, problems: ProblemList): void {
  checkLookups(test, plan, source, problems);
  checkSources(test, plan, source, problems);
  const sinks = plan.sinks.map(({ use }) => use.name);
  for (const { sink, path } of test.expect.rows) {
    if (sink === null && sinks.length > 1) {
      problems.at(
        path,
        'type_wrong',
        `${pathText(path)} must name the sinks: the pipeline has ${listed(sinks, 'and')}`,
        {
          hint: `write rows: { ${sinks[0]}: [...] }`,
          on: 'key',
        },
      );
    } else if (sink !== null && !sinks.includes(sink)) {
      unknownName(path, 'key_unknown', `the pipeline has no sink ${sink}`, sink, sinks, problems);
    }
  }
  const stages = [
    'decode',
    ...[...plan.inputs, plan].flatMap(({ steps }) => steps.map(({ stage }) => stage)),
    ...sinks.map((sink) => `sink:${sink}`),
  ];
  for (const [index, letter] of test.expect.deadLetters.items.entries()) {
    const { stage } = letter as { readonly stage?: string };
    if (stage === undefined || stages.includes(stage)) continue;
    const path = [...test.expect.deadLetters.path, index, 'stage'];
    unknownName(path, 'value_wrong', `the pipeline has no stage ${stage}`, stage, stages, problems);
  }
}

/** Every record must come from a source of the pipeline. */
function checkSources(
  { path, moves }: TestCase,
  { definition }: Plan,
  source: YamlSource,
  problems: ProblemList,
): void {
  const names = definition.sources.map(({ name }) => name);
  for (const move of moves) {
    if (move.kind !== 'record' || sourceOf(definition, move.record) !== null) continue;
    const { index, source: named, topic } = move.record;
    const records = [...path, 'records'];
    if (!source.has(records)) {
      problems.at([...path, 'events'], 'key_missing', 'the pipeline has several sources, and events name none', {
        on: 'key',
        hint: `write records: [ { source: ${names[0]}, value: ... } ]`,
      });
      return;
    }
    const at = [...records, index];
    if (named !== null) {
      unknownName([...at, 'source'], 'value_wrong', `the pipeline has no source ${named}`, named, names, problems);
      continue;
    }
    const message =
      topic === null
        ? `${pathText(at)} must say which source it comes from`
        : `no source of the pipeline reads ${topic}`;
    const hint = `write source: ${listed(names)}`;
    problems.at(topic === null ? at : [...at, 'topic'], 'value_wrong', message, { hint });
  }
}

function checkLookups({ path, lookups }: TestCase, plan: Plan, source: YamlSource, problems: ProblemList): void {
  const names = plan.lookups.map(({ use }) => use.name);
  for (const name of names) {
    if (Object.hasOwn(lookups, name)) continue;
    problems.at(path, 'key_missing', `the pipeline reads lookup ${name}, and the case has no rows for it`, {
      hint: `give them: lookups: { ${name}: { KEY: { ... } } }, in the case or at the top of the file`,
    });
  }
  for (const name of Object.keys(lookups)) {
    if (names.includes(name)) continue;
    const place = placeOf(path, ['lookups', name], source);
    unknownName(place, 'key_unknown', `no step of the pipeline reads a lookup ${name}`, name, names, problems);
  }
}

/** Vars a case gives must be vars of the pipeline; `known` are those it has without the case. */
export function checkVars(
  test: TestCase,
  known: Readonly<Record<string, unknown>>,
  source: YamlSource,
  problems: ProblemList,
): void {
  const names = Object.keys(known);
  for (const name of Object.keys(test.vars)) {
    if (names.includes(name)) continue;
    const path = placeOf(test.path, ['vars', name], source);
    unknownName(path, 'key_unknown', `the pipeline has no var ${name}`, name, names, problems);
  }
}

/** Vars that come from outside have no value in a test, unless the test gives one. */
export function checkUnknownVars(test: TestCase, { vars, expressions }: LoadedPipeline, problems: ProblemList): void {
  for (const [name, value] of Object.entries(vars)) {
    if (value !== unknownVar) continue;
    const reads = new RegExp(`\\bvars\\s*\\.\\s*\\??${RegExp.escape(name)}\\b`);
    if (!expressions.some(({ text }) => typeof text === 'string' && reads.test(text))) continue;
    problems.at(test.path, 'variable_unset', `vars.${name} comes from the environment and has no value in a test`, {
      hint: `give it one: vars: { ${name}: ... }, in the case or at the top of the file`,
    });
  }
}

/** A case may have it from the top of the file. */
function placeOf(test: ValuePath, path: ValuePath, source: YamlSource): ValuePath {
  const own = [...test, ...path];
  return source.has(own) ? own : path;
}

function unknownName(
  path: ValuePath,
  code: string,
  message: string,
  name: string,
  known: readonly string[],
  problems: ProblemList,
): void {
  const near = suggestion(name, known);
  const hint = known.length === 0 ? 'it has none' : `known here: ${listed(known, 'and')}`;
  problems.at(path, code, `${message}${near === null ? '' : `; did you mean "${near}"?`}`, {
    hint: near === null ? hint : `write "${near}"`,
    on: code === 'key_unknown' ? 'key' : 'value',
  });
}
