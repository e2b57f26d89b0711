import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { exitCodes } from '../errors.ts';
import type { ResumeAnswer } from '../runtime/resume.ts';
import { formatDuration, formatRatio } from '../view/format.ts';
import { printable } from '../view/text.ts';
import { environmentOf } from './environment.ts';

interface Flags {
  readonly note?: string;
}

/** `pipectl resume`: closes the breaker of a pipeline that runs on this machine. */
export function registerResume(program: Command): void {
  program
    .command('resume')
    .description('Goes on after the breaker: closes it in every process of a pipeline on this machine.')
    .argument('[pipeline]', 'name or file of the pipeline; default: the one pipeline of this folder')
    .option('--note <text>', 'why, for the log of the pipeline')
    .addHelpText('after', '\nExit codes: 0 goes on, 1 nothing of that name runs here, or no breaker was open.')
    .action(async (named: string | undefined, flags: Flags, command: Command) => {
      process.exitCode = await resume(named, environmentOf(command), flags.note);
    });
}

async function resume(
  named: string | undefined,
  environment: string | null,
  note: string | undefined,
): Promise<number> {
  const [{ controlSockets }, { ask, pipelineName }] = await Promise.all([
    import('../runtime/control.ts'),
    import('./running.ts'),
  ]);
  const name = await pipelineName(named, environment);
  const by = userInfo().username;
  const answers: ResumeAnswer[] = [];
  for (const socket of await controlSockets(name, process.env)) {
    const answer = await ask(socket, 'POST', '/resume', { note: note ?? null, by });
    if (answer?.status === 200) answers.push(answer.body as ResumeAnswer);
  }
  if (answers.length === 0) {
    process.stderr.write(`pipectl: no process runs ${name} on this machine as ${by}\n`);
    return exitCodes.failed;
  }
  for (const answer of answers) process.stdout.write(`${line(answer)}\n`);
  return answers.some(({ closed }) => closed.length > 0) ? exitCodes.done : exitCodes.failed;
}

function line({ pipeline, member, closed }: ResumeAnswer): string {
  const who = printable(`${pipeline} (${member})`, true);
  if (closed.length === 0) return `${who}: no breaker was open`;
  const each = closed.map(({ sink, ratio, openMs, armedInMs }) => {
    const whose = sink === null ? '' : ` of sink ${printable(sink, true)}`;
    return `goes on; the breaker${whose} was open for ${formatDuration(openMs)} at ${formatRatio(ratio)} dead letters, and is not armed for ${formatDuration(armedInMs)}`;
  });
  return `${who}: ${each.join('; ')}`;
}
