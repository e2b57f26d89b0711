/** The runbooks: what to do when something is wrong. Markdown, shipped in docs/runbooks. */
import { readFileSync } from 'node:fs';
import { suggestion } from '../definition/suggestion.ts';
import { exitCodes, PipectlError } from '../errors.ts';
import { type RunbookName, runbooks } from '../runtime/runbooks.ts';

export interface Runbook {
  readonly name: RunbookName;
  readonly title: string;
  /** The first paragraph: when it is the right one. */
  readonly summary: string;
  readonly markdown: string;
}

export const runbookNames = Object.keys(runbooks).toSorted() as readonly RunbookName[];

/** Throws `PipectlError` (wrong usage) where there is none of that name, with the nearest one. */
export function readRunbook(name: string): Runbook {
  const known = runbookNames.find((each) => each === name.toLowerCase());
  if (known === undefined) {
    const near = suggestion(name, runbookNames) ?? runbookNames.find((each) => each.split('-').includes(name));
    const hint = near === undefined ? '`pipectl runbook --list` names them' : `did you mean ${near}?`;
    throw new PipectlError('usage', `there is no runbook ${name}`, { hint, exitCode: exitCodes.usage });
  }
  // Two folders above this file in `src` and in `dist` alike.
  const markdown = readFileSync(new URL(`../../docs/runbooks/${known}.md`, import.meta.url), 'utf8');
  const [title, summary] = markdown.split('\n\n', 2) as [string, string];
  return { name: known, title: title.replace(/^# /, ''), summary: summary.replaceAll('\n', ' '), markdown };
}
