import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

let directory: string;
const write = (file: string, text: string): void => writeFileSync(join(directory, file), text);
const read = (file: string): string => readFileSync(join(directory, file), 'utf8');
/** A pipeline that copies IN.ndjson to OUT.ndjson; `more` is added to the file. */
const copies = (from: string, to: string, more = ''): string =>
  `source: { file: { path: ${from}.ndjson } }\nsinks: [ { file: { path: ${to}.ndjson } } ]\n${more}`;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pipectl-run-several-'));
  write('in.ndjson', '{"n":1}\n{"n":2}\n');
  write('one.yaml', copies('in', 'one'));
  write('two.yaml', copies('in', 'two'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function run(...argv: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', join(root, 'node_modules/tsx/dist/loader.mjs'), join(root, 'src/cli/main.ts'), 'run', ...argv],
    { cwd: directory, encoding: 'utf8', env: { PATH: process.env.PATH, XDG_RUNTIME_DIR: directory } },
  );
  const lines = stderr.split('\n').filter((line) => line !== '');
  const log = lines
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { pipeline: string; code: string });
  return { status, stdout, log, said: lines.filter((line) => !line.startsWith('{')).join('\n') };
}

it('all pipelines of a folder run in one process, each to its own end; tests and the project file are none', () => {
  write('one.test.yaml', 'cases: []\n');
  write('pipectl.yaml', 'vars: { least: 0 }\n');
  const { status, log, stdout } = run('.', '--until-end', '--view', 'json');
  expect(status).toBe(0);
  expect([read('one.ndjson'), read('two.ndjson')]).toEqual([read('in.ndjson'), read('in.ndjson')]);
  for (const code of ['started', 'stopped'])
    expect(log.filter((line) => line.code === code).map(({ pipeline }) => pipeline)).toEqual(
      expect.arrayContaining(['one', 'two']),
    );
  const last = new Map(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { pipeline: string; state: string; account: { read: number } })
      .map((snapshot) => [snapshot.pipeline, snapshot]),
  );
  for (const name of ['one', 'two']) expect(last.get(name)).toMatchObject({ state: 'stopped', account: { read: 2 } });
});

it('one that fails ends alone, with its name, its cause and its way out; the process ends with the worst code', () => {
  write('lost.yaml', copies('missing', 'lost'));
  const { status, said, log } = run('lost.yaml', 'one.yaml', '--until-end', '--view', 'none');
  expect(status).toBe(1);
  expect(said).toMatch(/^pipectl: lost: .*missing\.ndjson/);
  expect(said).not.toContain('one:');
  expect(read('one.ndjson')).toBe(read('in.ndjson'));
  expect(log).toContainEqual(expect.objectContaining({ pipeline: 'one', code: 'stopped' }));
});

it('each has a limit of dead letters of its own', () => {
  write('bad.ndjson', '{"n":1}\nno json\nno json\n');
  write('bad.yaml', copies('bad', 'good', 'dlq: { file: bad.dlq.ndjson, breaker: off }\n'));
  const { status, said } = run('bad.yaml', 'one.yaml', '--until-end', '--max-dead-letters', '1', '--view', 'none');
  expect([status, said]).toEqual([4, 'pipectl: bad: stopped after 2 dead letters; see `pipectl dlq ls`']);
  expect(read('one.ndjson')).toBe(read('in.ndjson'));
});

it('if one file is invalid nothing is started, and what is wrong with all of them is told', () => {
  write('wrong.yaml', copies('in', 'wrong', 'steps: [ { filter: evnt.n > 1 } ]\n'));
  write('broken.yaml', 'source: {\n');
  const { status, said } = run('one.yaml', 'wrong.yaml', 'broken.yaml', '--until-end');
  expect(status).toBe(1);
  expect(said).toMatch(/^pipectl: none of 3 pipelines was started\n/);
  expect(said).toMatch(/wrong\.yaml:3:\d+ {2}error .*evnt/);
  expect(said).toMatch(/broken\.yaml:\d+:\d+ {2}error/);
  expect(existsSync(join(directory, 'one.ndjson'))).toBe(false);
});

it('a file that can not be read is one of the problems', () => {
  writeFileSync(join(directory, 'latin.yaml'), Buffer.from([0x23, 0xe9, 0x0a]));
  const { status, said } = run('one.yaml', 'latin.yaml', '--until-end');
  expect([status, said]).toEqual([1, expect.stringMatching(/latin\.yaml:1:1 {2}error .*UTF-8/)]);
});

it('two files of one pipeline are refused with both places, by name and by consumer group', () => {
  write('first.yaml', copies('in', 'first', 'name: same\n'));
  write('second.yaml', copies('in', 'second', 'name: same\n'));
  const { status, said } = run('first.yaml', 'second.yaml', '--until-end');
  expect(status).toBe(1);
  expect(said).toMatch(/first\.yaml:3:7 {2}error {2}second\.yaml is the pipeline same too {2}\[pipeline_twice\]/);
  expect(said).toMatch(/second\.yaml:3:7 {2}error {2}first\.yaml is the pipeline same too {2}\[pipeline_twice\]/);

  const fromKafka = (name: string) =>
    `name: ${name}\ngroup: readers\nsource: { kafka: { topic: t } }\nsinks: [ { discard: {} } ]\n`;
  write('first.yaml', fromKafka('a'));
  write('second.yaml', fromKafka('b'));
  const { status: byGroup, said: why } = run('first.yaml', 'second.yaml', '--until-end');
  expect(byGroup).toBe(1);
  expect(why).toMatch(/first\.yaml:2:8 .*second\.yaml reads as the consumer group readers too/);
  expect(why).toMatch(/second\.yaml:2:8 .*first\.yaml reads as the consumer group readers too/);
});

it('two files that write one file are refused with both places, dead letters too', () => {
  write('first.yaml', copies('in', 'same', 'dlq: { file: letters.ndjson }\n'));
  write('second.yaml', copies('in', 'same', 'dlq: { file: letters.ndjson }\n'));
  const { status, said } = run('first.yaml', 'second.yaml', '--until-end');
  expect(status).toBe(1);
  for (const [file, other] of [
    ['first', 'second'],
    ['second', 'first'],
  ]) {
    expect(said).toMatch(new RegExp(`${file}\\.yaml:2:\\d+  error  ${other}\\.yaml writes this file too`));
    expect(said).toMatch(new RegExp(`${file}\\.yaml:3:\\d+  error  ${other}\\.yaml writes this file too`));
  }
  expect(existsSync(join(directory, 'same.ndjson'))).toBe(false);
});

it.each([['--dry-run'], ['--as', 'again', '--from', '1d']])('%s is for one pipeline', (...flags) => {
  const { status, said } = run('one.yaml', 'two.yaml', ...flags);
  expect([status, said]).toEqual([
    2,
    `pipectl: ${flags[0]} is for one pipeline, and these are 2: one.yaml, two.yaml\n  name one file`,
  ]);
});
