/** Results as text for people, as JSON and as JUnit XML for machines. */
import { encodeJson } from '../codecs/json.ts';
import { isMapping } from '../definition/json-schema.ts';
import { type Paint as ProblemPaint, report as problemReport } from '../definition/report.ts';
import type { FieldDifference, ItemDifference } from './compare.ts';
import { type CaseResult, type FileResult, type PlacedDifference, isPassed } from './run.ts';

/** Colours of the text form; without them it is plain. */
export interface Paint extends ProblemPaint {
  readonly passed: (text: string) => string;
  readonly failed: (text: string) => string;
  readonly expected: (text: string) => string;
  readonly got: (text: string) => string;
}

const unpainted: Paint = {
  error: String,
  warning: String,
  place: String,
  quiet: String,
  passed: String,
  failed: String,
  expected: String,
  got: String,
};

/** The whole report, ending with a line break. */
export function textReport(results: readonly FileResult[], paint: Paint = unpainted): string {
  return `${[...results.map((result) => fileText(result, paint)), summary(results, paint)].join('\n\n')}\n`;
}

function fileText({ file, problems, cases }: FileResult, paint: Paint): string {
  if (problems.length > 0) return problemReport([{ file, problems }], 'text', paint).trimEnd();
  return [paint.place(file), ...cases.map((result) => caseText(result, file, paint))].join('\n');
}

function caseText(result: CaseResult, file: string, paint: Paint): string {
  const { name, line, column, differences } = result;
  if (differences.length === 0) return `  ${paint.passed('ok')}    ${printable(name)}`;
  const head = `  ${paint.failed('FAIL')}  ${printable(name)}  ${paint.quiet(`${file}:${line}:${column}`)}`;
  return [head, ...indented(differencesText(differences, paint), 8)].join('\n');
}

const indented = (text: string, columns: number): readonly string[] =>
  text.split('\n').map((line) => (line === '' ? '' : `${' '.repeat(columns)}${line}`));

/** So many differences of one case are shown: the first ones tell what is wrong. */
const shownMax = 10;

function differencesText(differences: readonly PlacedDifference[], paint: Paint): string {
  const shown = differences.slice(0, shownMax).map((difference) => differenceText(difference, paint));
  const rest = differences.length - shownMax;
  return [...shown, ...(rest > 0 ? [`and ${rest} more`] : [])].join('\n');
}

function differenceText(difference: PlacedDifference, paint: Paint): string {
  const place = paint.quiet(`(line ${difference.line})`);
  switch (difference.about) {
    case 'stopped':
      return `the pipeline stopped: ${printable(difference.message)}`;
    case 'filtered':
    case 'dropped':
      return [
        `${difference.about} ${place}`,
        paint.expected(`  - expected ${difference.expected}`),
        paint.got(`  + got ${difference.got}`),
      ].join('\n');
    case 'rows':
    case 'dead_letters': {
      const what =
        difference.about === 'rows'
          ? `row ${difference.item.index} of ${difference.sink}`
          : `dead letter ${difference.item.index}`;
      const verdict = { missing: 'is missing', unexpected: 'was not expected', differs: 'differs' }[
        difference.item.kind
      ];
      return [`${what} ${verdict} ${place}`, ...indented(itemText(difference.item, paint), 2)].join('\n');
    }
  }
}

function itemText(item: ItemDifference, paint: Paint): string {
  if (item.kind === 'missing') return fieldsText(item.expected, '-', paint.expected);
  if (item.kind === 'unexpected') return fieldsText(item.got, '+', paint.got);
  const { expected, fields } = item;
  if (!isMapping(expected)) return fields.flatMap((field) => fieldText(field, paint)).join('\n');
  // Fields that fit say which row it is.
  const isBelow = (path: string, key: string) =>
    path === key || path.startsWith(`${key}.`) || path.startsWith(`${key}[`);
  const wanted = Object.entries(expected).flatMap(([key, value]) => {
    const below = fields.filter(({ path }) => isBelow(path, key));
    return below.length === 0
      ? [paint.quiet(`  ${key}: ${shown(value)}`)]
      : below.flatMap((field) => fieldText(field, paint));
  });
  const others = fields.filter(({ path }) => !Object.keys(expected).some((key) => isBelow(path, key)));
  return [...wanted, ...others.flatMap((field) => fieldText(field, paint))].join('\n');
}

function fieldText(field: FieldDifference, paint: Paint): readonly string[] {
  const name = field.path === '' ? '' : `${printable(field.path)}: `;
  return [
    ...('expected' in field ? [paint.expected(`- ${name}${shown(field.expected)}`)] : []),
    ...('got' in field ? [paint.got(`+ ${name}${shown(field.got)}`)] : []),
  ];
}

function fieldsText(value: unknown, sign: string, colour: (text: string) => string): string {
  if (!isMapping(value)) return colour(`${sign} ${shown(value)}`);
  const entries = Object.entries(value);
  if (entries.length === 0) return colour(`${sign} {}`);
  return entries.map(([key, field]) => colour(`${sign} ${printable(key)}: ${shown(field)}`)).join('\n');
}

const shownLengthMax = 400;

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : printable(encodeJson(value));
  return text.length > shownLengthMax ? `${text.slice(0, shownLengthMax)}... (${text.length} characters)` : text;
}

/** Control characters of a value must not reach the terminal. */
const printable = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '\u{fffd}');

function summary(results: readonly FileResult[], paint: Paint): string {
  const { passed, failed, broken } = totals(results);
  const parts = [
    ...(failed > 0 ? [paint.failed(`${failed} failed`)] : []),
    ...(broken > 0 ? [paint.failed(`${broken} ${broken === 1 ? 'file' : 'files'} could not be run`)] : []),
    ...(passed > 0 || failed + broken === 0 ? [paint.passed(`${passed} passed`)] : []),
  ];
  return parts.join(', ');
}

function totals(results: readonly FileResult[]) {
  const cases = results.flatMap((result) => result.cases);
  const failed = cases.filter(({ differences }) => differences.length > 0).length;
  const broken = results.filter(({ problems }) => problems.length > 0).length;
  return { passed: cases.length - failed, failed, broken };
}

/** One JSON text. Stable: keys are only ever added. */
export function jsonReport(results: readonly FileResult[]): string {
  const files = results.map((result) => ({
    file: result.file,
    pipeline: result.pipeline,
    ok: isPassed(result),
    problems: result.problems.map(({ sourceLine: _, ...problem }) => problem),
    cases: result.cases.map(({ name, line, column, elapsedMs, differences }) => ({
      name,
      line,
      column,
      ok: differences.length === 0,
      elapsed_ms: Math.round(elapsedMs * 100) / 100,
      differences: differences.map(({ path: _, ...difference }) => difference),
    })),
  }));
  return `${encodeJson({ ...totals(results), files })}\n`;
}

/** JUnit XML, as CI servers read it: https://github.com/testmoapp/junitxml */
export function junitReport(results: readonly FileResult[]): string {
  const suites = results.map(({ file, problems, cases }) => {
    const failures = cases.filter(({ differences }) => differences.length > 0).length;
    const broken = problems.length > 0 ? [brokenCase(file, problems)] : [];
    const tests = [...broken, ...cases.map((result) => caseXml(result, file))];
    const elapsedMs = cases.reduce((sum, result) => sum + result.elapsedMs, 0);
    const counts = `tests="${tests.length}" failures="${failures}" errors="${broken.length}" time="${seconds(elapsedMs)}"`;
    return `  <testsuite name="${xml(file)}" ${counts}>\n${tests.join('')}  </testsuite>\n`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="pipectl test">\n${suites.join('')}</testsuites>\n`;
}

function caseXml({ name, line, elapsedMs, differences }: CaseResult, file: string): string {
  const open = `    <testcase name="${xml(name)}" classname="${xml(file)}" file="${xml(file)}" line="${line}" time="${seconds(elapsedMs)}"`;
  if (differences.length === 0) return `${open}/>\n`;
  const text = differencesText(differences, unpainted);
  const count = differences.length === 1 ? '1 difference' : `${differences.length} differences`;
  return `${open}>\n      <failure message="${count}">${xml(text)}</failure>\n    </testcase>\n`;
}

function brokenCase(file: string, problems: FileResult['problems']): string {
  const text = problemReport([{ file, problems }], 'text').trimEnd();
  return `    <testcase name="can be run" classname="${xml(file)}" file="${xml(file)}">\n      <error message="${xml(problems[0]!.message)}">${xml(text)}</error>\n    </testcase>\n`;
}

const seconds = (ms: number): string => (ms / 1000).toFixed(4);

const entities: Readonly<Record<string, string>> = { '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&quot;' };

/** XML 1.0 has no way to write other control characters than tab and line breaks. */
function xml(text: string): string {
  return text
    .replaceAll(/[<>&"]/g, (character) => entities[character]!)
    .replaceAll(/[^\P{Cc}\t\n\r]|[\ufffe\uffff]|\p{Cs}/gu, '\u{fffd}');
}
