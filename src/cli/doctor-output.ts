/** Findings as text, as JSON and as the line of a monitoring plugin. */
import { type Finding, type Severity, worstFirst, worstOf } from '../operations/doctor/finding.ts';
import { printable } from '../view/text.ts';
import { wrapped } from './wrap.ts';

export type SeverityPaint = Readonly<Record<Severity, (text: string) => string>>;

const plain: SeverityPaint = { ok: String, info: String, warning: String, error: String };
/** Of what does not fit in a finding's first line. */
const indent = 11;
const marks: Readonly<Record<Severity, string>> = { ok: '  ', info: '  ', warning: '! ', error: '! ' };

/** Worst first, each with its remedy; then how many there are of each kind. */
export function findingsText(findings: readonly Finding[], width: number, paint: SeverityPaint = plain): string {
  const lines = worstFirst(findings).map(({ severity, check, subject, message, remedy }) => {
    const head = `${marks[severity]}${severity.padEnd(7)}  ${check}: `;
    const text = wrapped(`${head}${subject}: ${message}`, width, indent).slice(indent + head.length);
    const way = remedy === null || severity === 'ok' ? '' : wrapped(remedy, width, indent);
    return `${paint[severity](head)}${text}${way}`;
  });
  return `${lines.join('')}\n${summaryOf(findings)}\n`;
}

/** `1 error, 2 warnings`; `all is well`. */
export function summaryOf(findings: readonly Finding[]): string {
  const count = (severity: Severity) => findings.filter((finding) => finding.severity === severity).length;
  const [errors, warnings] = [count('error'), count('warning')];
  const found = [
    ...(errors > 0 ? [`${errors} error${errors === 1 ? '' : 's'}`] : []),
    ...(warnings > 0 ? [`${warnings} warning${warnings === 1 ? '' : 's'}`] : []),
  ];
  return found.length === 0 ? `all is well: ${findings.length} checks` : found.join(', ');
}

/** For programs: a stable shape. */
export const findingsJson = (findings: readonly Finding[]): string =>
  `${JSON.stringify({ severity: worstOf(findings), findings: worstFirst(findings) }, null, 2)}\n`;

const plugin = { ok: ['OK', 0], info: ['OK', 0], warning: ['WARNING', 1], error: ['CRITICAL', 2] } as const;
const shownMax = 5;

/** One line and an exit code after the Nagios plugin convention; where nothing answered it is not known. */
export function checkFindings(
  findings: readonly Finding[],
  isKnown: boolean,
): { readonly line: string; readonly exitCode: 0 | 1 | 2 | 3 } {
  const bad = worstFirst(findings).filter(({ severity }) => severity === 'error' || severity === 'warning');
  const shown = bad.slice(0, shownMax).map(({ subject, message }) => `${subject}: ${message}`);
  const more = bad.length > shownMax ? [`and ${bad.length - shownMax} more`] : [];
  const [word, exitCode] = isKnown ? plugin[worstOf(findings)] : (['UNKNOWN', 3] as const);
  const text = [summaryOf(findings), ...shown, ...more].join('; ').replaceAll('|', '/');
  return { line: `DOCTOR ${word} - ${printable(text, true)}\n`, exitCode };
}
