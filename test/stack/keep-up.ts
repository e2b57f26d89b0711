/** `npm run stack`: keeps the services up until Ctrl-C and prints where they are, in a form a shell can `eval`. */
import { once } from 'node:events';
import { inspect, parseArgs } from 'node:util';
import { StackUnavailableError } from './install.ts';
import { ProcessFailure } from './supervised.ts';
import { environmentOf, serviceNames, startStack } from './stack.ts';

const { values } = parseArgs({
  options: {
    services: { type: 'string', default: serviceNames.join(',') },
    'kafka-nodes': { type: 'string', default: '1' },
    profile: { type: 'string', default: 'test' },
  },
});

const services = values.services.split(',').map((name) => oneOf(name, serviceNames, '--services'));
const kafkaNodes = oneOf(values['kafka-nodes'], ['1', '3'], '--kafka-nodes') === '3' ? 3 : 1;
const profile = oneOf(values.profile, ['test', 'bench'] as const, '--profile');

const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM'), once(process, 'SIGHUP')]);
try {
  const starting = startStack({ services, kafkaNodes, profile });
  const stack = await Promise.race([starting, interrupted.then(() => undefined)]);
  if (stack) {
    for (const [name, value] of environmentOf(stack.addresses)) process.stdout.write(`export ${name}='${value}'\n`);
    note(`up; logs in ${stack.logsDirectory}; Ctrl-C stops it`);
    await interrupted;
    await stack.stop();
    note('stopped');
  }
  process.exit(0);
} catch (error) {
  const isKnown = error instanceof StackUnavailableError || error instanceof ProcessFailure;
  note(isKnown ? error.message : inspect(error));
  process.exit(1);
}

function oneOf<const T extends string>(value: string, allowed: readonly T[], flag: string): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) {
    note(`${flag} takes ${allowed.join(', ')}, not "${value}"`);
    process.exit(2);
  }
  return found;
}

function note(line: string): void {
  process.stderr.write(`stack: ${line}\n`);
}
