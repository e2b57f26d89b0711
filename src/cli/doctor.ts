import { type Command, Option } from 'commander';
import { findPipelines } from '../definition/find.ts';
import { loadPipeline } from '../definition/load.ts';
import { weighed } from '../definition/problems.ts';
import { exitCodes, PipectlError } from '../errors.ts';
import type { Diagnosis, Patient } from '../operations/doctor/diagnose.ts';
import { duration, timeoutOption } from './duration-option.ts';
import { environmentOf } from './environment.ts';
import { outputWidth } from './wrap.ts';

interface DoctorOptions {
  readonly brokers?: string;
  readonly check?: boolean;
  readonly json?: boolean;
  readonly timeout: number;
  readonly sample: number;
}

/** `pipectl doctor`: is everything well that pipelines rely on? */
export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description(
      'Looks at brokers, topics, disks, sinks, clocks, the group and this machine; each finding has its remedy.',
    )
    .argument('[files...]', 'pipeline files or directories; default: the one pipeline of this folder')
    .option('--brokers <list>', 'host:port,...: a cluster to look at; alone, no pipeline is looked at')
    .option('--check', 'print one line and exit 0 ok, 1 warning, 2 critical, 3 unknown')
    .option('--json', 'print JSON: severity, check, subject, message and remedy of each finding')
    .addOption(
      new Option('--sample <duration>', 'between the two looks that growth is told from')
        .argParser(duration)
        .default(3000, '3s'),
    )
    .addOption(timeoutOption())
    .addHelpText(
      'after',
      `
It reads alone and changes nothing.
Examples:
  pipectl doctor orders.yaml
  pipectl doctor pipelines/ --check
  pipectl doctor --brokers kafka-1:9092
Exit codes: 0 no errors (there may be warnings), 1 errors, 2 wrong usage, 3 no service could be reached.`,
    )
    .action(async (files: readonly string[], options: DoctorOptions, command: Command) => {
      process.exitCode = await doctor(files, environmentOf(command), options);
    });
}

async function doctor(files: readonly string[], environment: string | null, options: DoctorOptions): Promise<number> {
  if (options.check !== true) return examine(files, environment, options);
  // After a plugin's conventions whatever keeps it from knowing is 3, never a failure of its own kind.
  try {
    return await examine(files, environment, options);
  } catch (error) {
    if (!(error instanceof PipectlError)) throw error;
    process.stdout.write(`DOCTOR UNKNOWN - ${error.message.split('\n')[0]}\n`);
    return 3;
  }
}

async function examine(files: readonly string[], environment: string | null, options: DoctorOptions): Promise<number> {
  const [{ diagnose }, { checkFindings, findingsJson, findingsText }] = await Promise.all([
    import('../operations/doctor/diagnose.ts'),
    import('./doctor-output.ts'),
  ]);
  const { brokers, timeout, sample } = options;
  const patients = brokers !== undefined && files.length === 0 ? [] : await patientsIn(files, environment);
  const diagnosis: Diagnosis = await diagnose(patients, {
    connections: brokers === undefined ? [] : [{ brokers }],
    timeoutMs: timeout,
    sampleMs: sample,
    now: Date.now,
  });
  const { findings, asked, answered } = diagnosis;
  const isKnown = asked === 0 || answered > 0;
  if (options.check === true) {
    const { line, exitCode } = checkFindings(findings, isKnown);
    process.stdout.write(line);
    return exitCode;
  }
  process.stdout.write(
    options.json === true ? findingsJson(findings) : findingsText(findings, outputWidth(), await paint()),
  );
  if (!isKnown) return exitCodes.unreachable;
  return findings.some(({ severity }) => severity === 'error') ? exitCodes.failed : exitCodes.done;
}

/** A file with errors is a finding too, and no reason to leave the others out. */
async function patientsIn(named: readonly string[], environment: string | null): Promise<readonly Patient[]> {
  const { planPipeline } = await import('../plan/index.ts');
  const patients: Patient[] = [];
  for (const file of findPipelines(named)) {
    const loaded = await loadPipeline(file, { env: process.env, mode: 'run', environment });
    const plan = await planPipeline(loaded);
    patients.push({ file, plan, problems: weighed(loaded.problems.sorted(), loaded.strict) });
  }
  return patients;
}

/** Colours, where a person looks at them. */
async function paint() {
  const isWanted = process.stdout.isTTY && !process.env.NO_COLOR && !process.argv.includes('--no-color');
  if (!isWanted) return undefined;
  const { default: chalk } = await import('chalk');
  return { ok: chalk.green, info: String, warning: chalk.yellow, error: chalk.red };
}
