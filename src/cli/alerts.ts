import type { Command } from 'commander';
import { exitCodes, PipectlError } from '../errors.ts';
import { printable } from '../view/text.ts';
import { environmentOf } from './environment.ts';

/** `pipectl alerts`: who is told when something is wrong with a pipeline. */
export function registerAlerts(program: Command): void {
  const alerts = program.command('alerts').description('Who is told when something is wrong with a pipeline.');
  alerts
    .command('test')
    .description('Sends a test message to everyone in `alerts: { notify: ... }` and says what came back.')
    .argument('[file]', 'pipeline file; default: the one pipeline of this folder')
    .addHelpText('after', '\nExit codes: 0 all were told, 1 somebody was not, or there is nobody to tell.')
    .action(async (file: string | undefined, _: unknown, command: Command) => {
      process.exitCode = await testAlerts(file, environmentOf(command));
    });
}

async function testAlerts(file: string | undefined, environment: string | null): Promise<number> {
  const [{ definitionOf }, { memberName }, { testMessage }, { send, targetName }] = await Promise.all([
    import('./definition-of.ts'),
    import('../runtime/assemble.ts'),
    import('../runtime/alerts/message.ts'),
    import('../runtime/alerts/notify.ts'),
  ]);
  const { name, group, alerts } = await definitionOf(file, environment);
  if (alerts === null || alerts.notify.length === 0) {
    throw new PipectlError('alerts_nobody', `${name} says nobody to tell`);
  }
  const sender = { pipeline: name, environment, group, member: memberName() };
  const message = testMessage(sender, Date.now());
  const results = await Promise.all(
    alerts.notify.map(async (target) => ({ name: targetName(target), ...(await send(target, message)) })),
  );
  for (const { name: who, sent, answer } of results)
    process.stdout.write(`${sent ? 'told    ' : 'NOT TOLD'}  ${printable(who, true)}: ${answer}\n`);
  return results.every(({ sent }) => sent) ? exitCodes.done : exitCodes.failed;
}
