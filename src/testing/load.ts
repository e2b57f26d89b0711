/** From a test file to its cases: YAML, schema, and what a schema can't say. Every problem in one run. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseDuration } from '../declaration/units.ts';
import { checkParts } from '../definition/check.ts';
import { isMapping } from '../definition/json-schema.ts';
import type { ValuePath } from '../definition/pipeline.ts';
import { ProblemList, pathText } from '../definition/problems.ts';
import { parseYaml, plainYaml } from '../definition/read-yaml.ts';
import { readNamed, readText } from '../definition/text-file.ts';
import type { YamlSource } from '../definition/yaml-source.ts';
import { parseJson } from '../expressions/json.ts';
import { readIso } from '../expressions/timestamp.ts';
import {
  defaultNow,
  type Expectation,
  type ExpectedRows,
  type Move,
  type TestCase,
  type TestFile,
  type TestRecord,
  testSchema,
} from './test-file.ts';

export interface LoadedTests {
  readonly source: YamlSource;
  readonly problems: ProblemList;
  /** Null where there are problems. */
  readonly tests: TestFile | null;
  /** The pipeline it names or stands beside, also where there are problems; null when it names none that exists. */
  readonly pipeline: string | null;
}

type Mapping = Record<string, unknown>;

/** Loads a test file. Rejects with `PipectlError`, and only when the file itself can't be read. */
export async function loadTests(file: string): Promise<LoadedTests> {
  const yaml = parseYaml(
    file,
    readNamed(file, () => readText(file)),
  );
  const problems = new ProblemList(yaml.source);
  const value = plainYaml(yaml, problems);
  const { source } = yaml;
  if (value === undefined) return { source, problems, tests: null, pipeline: null };
  if (!isMapping(value)) {
    const message = value === null ? 'the file is empty' : 'the file must be a mapping with `cases:`';
    problems.at([], 'file_empty', message, { hint: 'a test file has `cases:`, a list' });
    return { source, problems, tests: null, pipeline: null };
  }
  await checkParts([{ path: [], id: 'test', value, schema: testSchema }], value, problems);
  const pipeline = pipelineOf(file, value.pipeline, problems);
  if (problems.hasErrors) return { source, problems, tests: null, pipeline };
  const cases = new CaseReader(value, source, problems).cases();
  const isUsable = pipeline !== null && !problems.hasErrors;
  return { source, problems, tests: isUsable ? { pipeline, cases } : null, pipeline };
}

/** `orders.yaml` for `orders.test.yaml`, or what `pipeline:` names. */
function pipelineOf(file: string, named: unknown, problems: ProblemList): string | null {
  if (typeof named === 'string') {
    const path = join(dirname(file), named);
    if (existsSync(path)) return path;
    problems.at(['pipeline'], 'file_not_found', `there is no pipeline ${path}`, {
      hint: 'paths start at the directory of the test file',
    });
    return null;
  }
  if (named !== undefined) return null;
  const stem = file.replace(/\.test\.ya?ml$/, '');
  const found = [`${stem}.yaml`, `${stem}.yml`].find((path) => path !== file && existsSync(path));
  if (found !== undefined) return found;
  problems.at([], 'file_not_found', `there is no ${stem}.yaml to test`, {
    hint: 'name the pipeline: `pipeline: FILE`',
  });
  return null;
}

/** Reads the cases of a file that fits the schema. */
class CaseReader {
  readonly #file: Mapping;
  readonly #source: YamlSource;
  readonly #problems: ProblemList;

  constructor(file: Mapping, source: YamlSource, problems: ProblemList) {
    this.#file = file;
    this.#source = source;
    this.#problems = problems;
  }

  cases(): readonly TestCase[] {
    const { now, vars, env, lookups } = this.#file;
    const nowMs = this.#timeMs(now ?? defaultNow, ['now']);
    const names = new Set<unknown>();
    return (this.#file.cases as readonly Mapping[]).map((entry, index) => {
      const path = ['cases', index];
      if (names.has(entry.name))
        this.#problems.at([...path, 'name'], 'name_duplicate', 'another case of this file has this name');
      names.add(entry.name);
      return {
        name: String(entry.name),
        path,
        nowMs: entry.now === undefined ? nowMs : this.#timeMs(entry.now, [...path, 'now']),
        vars: { ...(vars as Mapping), ...(entry.vars as Mapping) },
        env: { ...(env as Record<string, string>), ...(entry.env as Record<string, string>) },
        lookups: { ...this.#lookups(lookups, ['lookups']), ...this.#lookups(entry.lookups, [...path, 'lookups']) },
        moves: this.#moves(entry, path),
        expect: this.#expectation(entry.expect as Mapping, [...path, 'expect']),
      };
    });
  }

  #lookups(given: unknown, path: ValuePath): TestCase['lookups'] {
    return this.#exact(given ?? {}, path) as TestCase['lookups'];
  }

  #moves(entry: Mapping, path: ValuePath): readonly Move[] {
    const { events, records } = entry as Record<string, readonly unknown[] | undefined>;
    if (events !== undefined && records !== undefined) {
      this.#problems.at([...path, 'events'], 'option_not_applicable', 'a case has either `events` or `records`', {
        on: 'key',
      });
    }
    if (records !== undefined) return this.#records(records as readonly Mapping[], [...path, 'records']);
    if (events === undefined) {
      this.#problems.at(path, 'key_missing', `${pathText(path)} needs \`events\` or \`records\``, {
        hint: 'events: a list of values; records: with key, partition, timestamp and headers',
      });
      return [];
    }
    return events.map((value, index) => ({
      kind: 'record',
      record: {
        index,
        content: { value: this.#exact(value, [...path, 'events', index]) },
        key: null,
        source: null,
        topic: null,
        partition: 0,
        offset: null,
        timestampMs: null,
        headers: {},
      },
    }));
  }

  #records(records: readonly Mapping[], path: ValuePath): readonly Move[] {
    const lastOffsets = new Map<string, number>();
    return records.map((entry, index): Move => {
      const at = [...path, index];
      const named = ['value', 'text', 'base64', 'advance'].filter((key) => key in entry);
      if (named.length !== 1) {
        const message = named.length === 0 ? 'has no value' : `has ${named.join(' and ')}`;
        this.#problems.at(
          named.length === 0 ? at : [...at, named[1]!],
          'option_not_applicable',
          `${pathText(at)} ${message}`,
          {
            hint: 'a record has one of value, text and base64; `advance` stands alone',
            on: 'key',
          },
        );
      }
      if (named[0] === 'advance') {
        const other = Object.keys(entry).find((key) => key !== 'advance');
        if (other !== undefined && named.length === 1) {
          this.#problems.at([...at, other], 'option_not_applicable', '`advance` stands alone', { on: 'key' });
        }
        return { kind: 'advance', byMs: parseDuration(String(entry.advance)) ?? 0 };
      }
      const record = this.#record(entry, index, at);
      const partition = `${record.partition} ${record.source} ${record.topic}`;
      const last = lastOffsets.get(partition) ?? -1;
      if (record.offset !== null && record.offset <= last) {
        const message = `offset ${record.offset} is not above ${last}, the one before it in its partition`;
        this.#problems.at([...at, 'offset'], 'value_wrong', message, { hint: 'offsets of a partition rise' });
      }
      lastOffsets.set(partition, record.offset ?? last + 1);
      return { kind: 'record', record };
    });
  }

  #record(entry: Mapping, index: number, path: ValuePath): TestRecord {
    const { timestamp, key = null, source = null, topic = null, partition = 0, offset = null, headers = {} } = entry;
    return {
      index,
      content: this.#content(entry, path),
      key: this.#exact(key, [...path, 'key']),
      source: source as string | null,
      topic: topic as string | null,
      partition: partition as number,
      offset: offset as number | null,
      timestampMs: timestamp === undefined ? null : this.#timeMs(timestamp, [...path, 'timestamp']),
      headers: headers as Record<string, string>,
    };
  }

  #content(entry: Mapping, path: ValuePath): TestRecord['content'] {
    if ('text' in entry) return { bytes: Buffer.from(String(entry.text)) };
    if (!('base64' in entry)) return { value: this.#exact(entry.value ?? null, [...path, 'value']) };
    const text = String(entry.base64);
    if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text))
      this.#problems.at([...path, 'base64'], 'value_wrong', `${pathText([...path, 'base64'])} is not base64`);
    return { bytes: Buffer.from(text, 'base64') };
  }

  #expectation(entry: Mapping, path: ValuePath): Expectation {
    const { rows, dead_letters: deadLetters, filtered = null, dropped = null, exact = false } = entry;
    const list = (items: unknown, at: ValuePath) => this.#exact(items, at) as readonly unknown[];
    const expectedRows = (): readonly ExpectedRows[] => {
      const at = [...path, 'rows'];
      if (Array.isArray(rows)) return [{ sink: null, items: list(rows, at), path: at }];
      return Object.entries((rows ?? {}) as Mapping).map(([sink, items]) => ({
        sink,
        items: list(items, [...at, sink]),
        path: [...at, sink],
      }));
    };
    const lettersPath = [...path, 'dead_letters'];
    return {
      rows: expectedRows(),
      deadLetters: { items: (deadLetters ?? []) as readonly unknown[], path: lettersPath },
      filtered: filtered as number | null,
      dropped: dropped as number | null,
      exact: exact as boolean,
    };
  }

  #timeMs(text: unknown, path: ValuePath): number {
    const time = readIso(String(text));
    if (time !== undefined && time.offsetMinutes !== null)
      return Math.floor(time.localMicros / 1000) - time.offsetMinutes * 60_000;
    const what = time === undefined ? 'is not a time' : 'has no zone';
    this.#problems.at(path, 'value_wrong', `${pathText(path)} ${what}`, { hint: `write it as ${defaultNow}` });
    return 0;
  }

  /** `value` with integers as exact as JSON gives them to a pipeline: YAML reads them as doubles. */
  #exact(value: unknown, path: ValuePath): unknown {
    if (typeof value === 'number' && !Number.isSafeInteger(value)) return this.#exactNumber(value, path);
    if (Array.isArray(value)) return value.map((item, index) => this.#exact(item, [...path, index]));
    if (!isMapping(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.#exact(item, [...path, key])]));
  }

  #exactNumber(value: number, path: ValuePath): unknown {
    if (!Number.isFinite(value)) {
      this.#problems.at(path, 'value_wrong', `${pathText(path)} is a number that JSON can't hold`);
      return value;
    }
    const written = this.#source.scalar(path)?.source ?? '';
    return /^-?[1-9]\d{15,}$/.test(written) ? parseJson(written) : value;
  }
}
