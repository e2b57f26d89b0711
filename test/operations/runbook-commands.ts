import { readRunbook } from '../../src/operations/runbook.ts';

/** The commands in the fenced blocks of a runbook, a line each. */
export const commandsIn = (name: string): readonly string[] =>
  [...readRunbook(name).markdown.matchAll(/^```sh\n([^]*?)\n```$/gm)].flatMap(([, block]) => block!.split('\n'));

/** As a shell splits them: single quotes hold a word together. */
export const wordsOf = (command: string): readonly string[] =>
  [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);
