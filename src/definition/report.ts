/** Problems as text for people, and as JSON, GitHub annotations and SARIF for machines. */
import { errorTable } from '../errors.ts';
import { type Problem, problemsMax } from './problems.ts';

/** What became of one file. */
export interface Checked {
  readonly file: string;
  readonly problems: readonly Problem[];
}

export const reportFormats = ['text', 'json', 'github', 'sarif'] as const;
export type ReportFormat = (typeof reportFormats)[number];

/** Colours for the text form; without them it is plain. */
export interface Paint {
  readonly error: (text: string) => string;
  readonly warning: (text: string) => string;
  readonly place: (text: string) => string;
  readonly quiet: (text: string) => string;
}

const unpainted: Paint = { error: String, warning: String, place: String, quiet: String };

/** The whole report, ending with a line break. */
export function report(checked: readonly Checked[], format: ReportFormat, paint: Paint = unpainted): string {
  const problems = checked.flatMap((file) => file.problems);
  const forms: Readonly<Record<ReportFormat, () => string>> = {
    text: () =>
      `${[...problems.map((problem) => problemText(problem, paint)), summary(checked, paint)].join('\n\n')}\n${wayToDocs(problems, paint)}`,
    json: () => `${JSON.stringify(asJson(checked), null, 2)}\n`,
    github: () => problems.map((problem) => `${githubLine(problem)}\n`).join(''),
    sarif: () => `${JSON.stringify(asSarif(problems), null, 2)}\n`,
  };
  return forms[format]();
}

/** `orders.yaml:14:7  error  ...`, the line, a caret below it, the way out. */
function problemText(problem: Problem, paint: Paint = unpainted): string {
  const { file, line, column, code, hint } = problem;
  const colour = problem.severity === 'error' ? paint.error : paint.warning;
  const lines = [
    `${paint.place(`${file}:${line}:${column}`)}  ${colour(problem.severity)}  ${printable(problem.message)}  ${paint.quiet(`[${code}]`)}`,
  ];
  if (problem.sourceLine.trim() !== '') {
    const { shown, before, marked } = window(problem);
    const gutter = String(line).length + 2;
    lines.push(`${String(line).padStart(gutter)} | ${shown}`);
    lines.push(`${' '.repeat(gutter)} | ${before}${colour('^'.repeat(marked))}`);
  }
  if (hint !== null) lines.push(`  ${paint.quiet('hint:')} ${printable(hint)}`);
  return lines.join('\n');
}

const lineWidthMax = 120;

/** What a terminal draws two columns wide, and what it draws onto the character before. */
const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/g;
const noWidth = /\p{Mn}/gu;

/** The line around the problem, cut to a width that fits a terminal, with what stands below it. */
function window({ sourceLine, line, column, endLine, endColumn }: Problem): {
  readonly shown: string;
  readonly before: string;
  readonly marked: number;
} {
  const start = column - 1;
  const from = start > lineWidthMax - 20 ? start - 20 : 0;
  const shown = printable(sourceLine.slice(from, from + lineWidthMax));
  const end = endLine === line ? endColumn - 1 : sourceLine.length;
  const marked = Math.max(1, Math.min(end, from + lineWidthMax) - start);
  // Tabs stay tabs and wide characters take two columns, so that the caret stands below its character.
  const blank = (text: string) => text.replaceAll(noWidth, '').replaceAll(wide, '  ').replaceAll(/[^\t]/g, ' ');
  const before = blank(shown.slice(0, start - from));
  return { shown, before, marked: Math.max(1, blank(shown.slice(start - from, start - from + marked)).length) };
}

/** Control characters of a hostile file must not reach the terminal. */
const printable = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}]/gu, (c) => (c === '\t' ? c : '\u{fffd}'));

function summary(checked: readonly Checked[], paint: Paint): string {
  const { errors, warnings } = count(checked);
  const files = checked.length === 1 ? (checked[0]?.file ?? '') : `${checked.length} files`;
  const found = [
    ...(errors > 0 ? [paint.error(`${errors} ${errors === 1 ? 'error' : 'errors'}`)] : []),
    ...(warnings > 0 ? [paint.warning(`${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`)] : []),
  ];
  const isCut = checked.some((file) => file.problems.length >= problemsMax);
  return `${files}: ${found.length === 0 ? 'ok' : found.join(', ')}${isCut ? '; there may be more' : ''}`;
}

/** Where more is said of the codes. */
const wayToDocs = ([first]: readonly Problem[], paint: Paint): string =>
  first === undefined ? '' : paint.quiet(`\`pipectl docs CODE\` says more of a code, such as ${first.code}\n`);

function count(checked: readonly Checked[]): { readonly errors: number; readonly warnings: number } {
  const problems = checked.flatMap((file) => file.problems);
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  return { errors, warnings: problems.length - errors };
}

const docsOf = (code: string): string => `docs/errors.md#${code}`;

/** Stable: keys are only ever added. */
function asJson(checked: readonly Checked[]): unknown {
  return {
    ...count(checked),
    files: checked.map(({ file, problems }) => ({
      file,
      ok: problems.every(({ severity }) => severity !== 'error'),
      problems: problems.map((problem) => ({
        ...problem,
        docs: docsOf(problem.code),
        sourceLine: undefined,
      })),
    })),
  };
}

/** https://docs.github.com/actions/reference/workflow-commands-for-github-actions */
function githubLine(problem: Problem): string {
  const { severity, file, line, column, endLine, endColumn, code, message, hint } = problem;
  const data = (text: string) => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
  const property = (text: string) => data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
  const where = `file=${property(file)},line=${line},col=${column},endLine=${endLine},endColumn=${endColumn},title=${property(code)}`;
  return `::${severity} ${where}::${data(hint === null ? message : `${message} (${hint})`)}`;
}

/** A reference that stays relative to the root of the checkout. */
const uriOf = (file: string): string =>
  encodeURI(file.replaceAll('\\', '/')).replaceAll('#', '%23').replaceAll('?', '%3F');

/** SARIF 2.1.0, as code scanners read it. */
function asSarif(problems: readonly Problem[]): unknown {
  const codes = [...new Set(problems.map(({ code }) => code))];
  const table: Readonly<Record<string, { readonly meaning: string; readonly hint: string }>> = errorTable;
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'pipectl',
            rules: codes.map((id) => ({
              id,
              shortDescription: { text: table[id]?.meaning ?? id },
              help: { text: `${table[id]?.hint ?? ''} (${docsOf(id)})` },
            })),
          },
        },
        columnKind: 'utf16CodeUnits',
        results: problems.map(({ code, severity, message, hint, file, line, column, endLine, endColumn }) => ({
          ruleId: code,
          level: severity,
          message: { text: hint === null ? message : `${message} (${hint})` },
          locations: [
            {
              physicalLocation: {
                artifactLocation: { uri: uriOf(file) },
                region: { startLine: line, startColumn: column, endLine, endColumn },
              },
            },
          ],
        })),
      },
    ],
  };
}
