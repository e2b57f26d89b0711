import type { Command } from 'commander';
import { exitCodes, PipectlError } from '../errors.ts';
import type { Assessment } from '../operations/assess/assess.ts';
import type { Settings } from '../operations/assess/settings.ts';
import { outputWidth, wrapped } from './wrap.ts';

interface AssessOptions {
  readonly answers?: string;
  readonly questions?: boolean;
  readonly json?: boolean;
}

/** `pipectl assess`: do you need real time? */
export function registerAssess(program: Command): void {
  program
    .command('assess')
    .description('Asks six questions and says whether you need real time: a tier, why, and the settings for it.')
    .option('--answers <file|key=value,...>', 'answers for scripts, instead of asking')
    .option('--questions', 'print the questions and what they may be answered with')
    .option('--json', 'print JSON: answers, tier, reasons, settings')
    .addHelpText(
      'after',
      `
Examples:
  pipectl assess
  pipectl assess --answers cost=much,rate=500,actor=watcher,late=5m,needs=once,team=office
  pipectl assess --answers answers.yaml --json | jq -r .settings.pipeline > orders.yaml`,
    )
    .action(async (options: AssessOptions) => {
      process.stdout.write(await assessed(options));
    });
}

async function assessed({ answers: given, questions: list, json }: AssessOptions): Promise<string> {
  const [{ answersFrom, askAnswers, questionText }, { questions }, { assess }, { settingsFor }] = await Promise.all([
    import('./assess/answers.ts'),
    import('../operations/assess/questions.ts'),
    import('../operations/assess/assess.ts'),
    import('../operations/assess/settings.ts'),
  ]);
  if (list === true)
    return questions
      .map((question, index) => questionText(question, index + 1))
      .join('')
      .trimStart();
  if (given === undefined && !process.stdin.isTTY) {
    const message = 'there is no terminal to ask at: give --answers';
    const hint = 'such as --answers cost=much,rate=500,actor=watcher,late=5m,needs=once,team=office';
    throw new PipectlError('usage', message, { hint, exitCode: exitCodes.usage });
  }
  const answers =
    given === undefined ? await askAnswers({ input: process.stdin, output: process.stderr }) : await answersFrom(given);
  const assessment = assess(answers);
  const settings = settingsFor(answers, assessment);
  return json === true
    ? `${JSON.stringify({ answers, ...assessment, settings }, null, 2)}\n`
    : assessmentText(assessment, settings, outputWidth());
}

/** For people. */
export function assessmentText(
  { tier, age, limits, advice }: Assessment,
  { pipeline, run }: Settings,
  width: number,
): string {
  const points = (lines: readonly string[]) =>
    lines.map((line) => wrapped(line, width, 4).replace(/^ {4}/, '  - ')).join('');
  const indented = pipeline.trimEnd().replaceAll(/^(?=.)/gm, '  ');
  return [
    `${tier.toUpperCase()}: results are ${age} old\n`,
    `\nWhy\n${points(limits.map(({ answer, tier: limit, why }) => `${answer}: ${why} (${limit})`))}`,
    `\nWhat follows\n${points(advice)}`,
    `\nSettings (a pipeline to begin with; topic and table are examples)\n${indented}\n`,
    `\nRun it\n${run.map((line) => `  ${line}\n`).join('')}`,
  ].join('');
}
