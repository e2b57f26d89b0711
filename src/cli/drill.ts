import { extname } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { kafkaOptionsOf } from '../definition/kafka-connection.ts';
import type { Override } from '../definition/overrides.ts';
import { silentLog } from '../engine/ports.ts';
import { exitCodes, PipectlError } from '../errors.ts';
import { type FaultName, faultNames } from '../operations/drill/faults.ts';
import type { Plan } from '../plan/index.ts';
import type { KafkaAdmin } from '../connections/kafka/admin.ts';
import type { Preparation } from '../operations/drill/prepare.ts';
import { duration } from './duration-option.ts';
import { environmentOf } from './environment.ts';
import { collectOverride } from './set-option.ts';
import { outputWidth } from './wrap.ts';

interface DrillFlags {
  readonly only?: readonly FaultName[];
  readonly for: number;
  readonly outage: number;
  readonly within: number;
  readonly poison: boolean;
  readonly list: boolean;
  readonly set: readonly Override[];
  readonly yes: boolean;
  readonly json: boolean;
}

/** `pipectl drill`: faults on purpose, before they come by themselves. */
export function registerDrill(program: Command): void {
  program
    .command('drill')
    .description(
      'Injects faults into a pipeline while input keeps coming, and tells what held: it starts processes of it, kills, freezes and restarts them, takes services away, one after the other, and watches how it recovers.',
    )
    .argument('[file]', 'the pipeline file; may be left out where the folder holds one')
    .option('--only <faults>', `these alone, of ${faultNames.join(',')}`, faultsIn)
    .addOption(durationOption('--for', 'input without a fault, before the first and after each', 30_000, '30s'))
    .addOption(durationOption('--outage', 'how long a service is away', 15_000, '15s'))
    .addOption(durationOption('--within', 'how long a recovery may take', 60_000, '60s'))
    .option('--poison', 'send bad records to the source topic too', false)
    .option('--set <path=value>', 'override a value of the file; may be given again', collectOverride, [])
    .option('--list', 'show what would be done, and what not and why; do nothing', false)
    .option('--yes', 'also without an environment that has a prefix, and in a strict one', false)
    .option('--json', 'print the report as JSON', false)
    .addHelpText(
      'after',
      `
It needs an environment with a prefix (--env rehearsal), so that group, positions and dead letters are its own, and records
that come in. What the pipeline writes, it writes. Of the services nothing is stopped: proxies on 127.0.0.1 stand before them.
Examples:
  pipectl drill orders.yaml --env rehearsal --list
  pipectl drill orders.yaml --env rehearsal
  pipectl drill orders.yaml --env rehearsal --only kill,sink-away --outage 3m --for 2m
  pipectl drill generated-orders.yaml --yes --set source.generate.count=1000000
Exit codes: 0 all held, 1 something did not or could not be seen, 2 wrong usage, 3 a service could not be reached.`,
    )
    .action(async (file: string | undefined, flags: DrillFlags, command: Command) => {
      process.exitCode = await drill(file, environmentOf(command), flags);
    });
}

async function drill(named: string | undefined, environment: string | null, flags: DrillFlags): Promise<number> {
  const [{ planFile }, { openKafkaAdmin }, { prepare }, output] = await Promise.all([
    import('./plan-file.ts'),
    import('../connections/kafka/admin.ts'),
    import('../operations/drill/prepare.ts'),
    import('./drill-output.ts'),
  ]);
  const plan = await planFile(named, flags.set, environment);
  const { definition } = plan;
  if (!flags.list) refuseUnlessRehearsal(plan, flags.yes);
  const isKafka = definition.sources[0].component === 'kafka';
  const kafka = isKafka ? await openKafkaAdmin(kafkaOptionsOf(definition), silentLog) : null;
  try {
    const preparation = await prepare(definition, kafka, flags.only ?? null, flags.poison);
    const intent = output.intentText(plan, preparation, flags);
    if (flags.list) {
      process.stdout.write(intent);
      return exitCodes.done;
    }
    if (preparation.faults.length === 0) {
      const reasons = preparation.skipped.map(({ fault, reason }) => `${fault}: ${reason}`);
      throw new PipectlError('usage', `nothing is left to try\n  ${reasons.join('\n  ')}`, {
        exitCode: exitCodes.usage,
      });
    }
    await refuseMembers(plan, kafka);
    process.stderr.write(intent);
    return await carryOut(plan, kafka, preparation, flags);
  } finally {
    await kafka?.close();
  }
}

/** What it does to the processes and the services of a pipeline is meant for a rehearsal. */
function refuseUnlessRehearsal({ definition }: Plan, yes: boolean): void {
  const { environment, prefix, group, strict } = definition;
  if (yes || (prefix !== '' && !strict)) return;
  const why = strict
    ? `environment ${environment} is strict, so it is not one to rehearse in`
    : `this would drill ${group} itself: ${environment === null ? 'no environment is named' : `environment ${environment} has no prefix`}`;
  throw new PipectlError('drill_refused', why, { exitCode: exitCodes.usage });
}

/** Whoever else takes part would get partitions too, and nothing is done to them. */
async function refuseMembers({ definition }: Plan, kafka: KafkaAdmin | null): Promise<void> {
  const { groupsOf } = await import('../definition/sink-groups.ts');
  for (const { group } of groupsOf(definition)) {
    const members = (await kafka?.groupDescription(group))?.members.length ?? 0;
    if (members > 0) throw new PipectlError('drill_running', `group ${group} has members (${members})`);
  }
  const { runningPipelines } = await import('./running.ts');
  for (const { snapshot, socket } of await runningPipelines(definition.name))
    if (snapshot !== null && snapshot.environment === definition.environment)
      throw new PipectlError('drill_running', `process ${socket.pid} runs ${definition.name} on this machine`);
}

async function carryOut(
  plan: Plan,
  kafka: KafkaAdmin | null,
  preparation: Preparation,
  flags: DrillFlags,
): Promise<number> {
  const [{ runDrill }, { isHeld }, { statusOfProcess }, output] = await Promise.all([
    import('../operations/drill/drill.ts'),
    import('../operations/drill/report.ts'),
    import('./running.ts'),
    import('./drill-output.ts'),
  ]);
  const { name, file, environment } = plan.definition;
  const interrupted = new AbortController();
  let exitCode: number | null = null;
  const onSignal = (signal: NodeJS.Signals): void => {
    // The processes notice when this one is gone.
    if (exitCode !== null) process.exit(exitCode);
    exitCode = signal === 'SIGINT' ? 130 : 143;
    process.stderr.write('pipectl: interrupted; the processes of the pipeline end\n');
    interrupted.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    const report = await runDrill(plan, kafka, preparation, {
      betweenMs: flags.for,
      outageMs: flags.outage,
      withinMs: flags.within,
      command: {
        args: [
          ...process.execArgv,
          process.argv[1]!,
          'run',
          file,
          ...(environment === null ? [] : ['--env', environment]),
          ...flags.set.flatMap(({ path, value }) => ['--set', `${path}=${value}`]),
          '--view',
          'none',
        ],
        env: process.env,
        // It is built beside this file, and has its ending.
        module: new URL(`../operations/drill/member${extname(import.meta.url)}`, import.meta.url).href,
        ask: (pid) => statusOfProcess(name, pid),
      },
      signal: interrupted.signal,
      say: (what) => process.stderr.write(output.progressLine(what, Date.now())),
    });
    process.stdout.write(flags.json ? output.reportJson(report) : output.reportText(report, outputWidth()));
    return isHeld(report) ? exitCodes.done : exitCodes.failed;
  } catch (error) {
    if (exitCode === null) throw error;
    return exitCode;
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

const durationOption = (name: string, says: string, ms: number, shown: string): Option =>
  new Option(`${name} <duration>`, says).argParser(duration).default(ms, shown);

function faultsIn(text: string): readonly FaultName[] {
  const named = text.split(',').map((name) => name.trim());
  const known = faultNames.filter((name) => named.includes(name));
  const unknown = named.find((name) => !known.some((one) => one === name));
  if (unknown === undefined) return known;
  throw new InvalidArgumentError(`${unknown || 'nothing'} is no fault: they are ${faultNames.join(', ')}`);
}
