import type { Command } from 'commander';
import { findPipelines } from '../definition/find.ts';
import type { Override } from '../definition/overrides.ts';
import { DeliveryAbandoned } from '../engine/delivery.ts';
import { PipectlError, exitCodes } from '../errors.ts';
import { systemClock } from '../runtime/clock.ts';
import type { WriteLog } from '../runtime/log.ts';
import { PipelinePages } from '../runtime/metrics-pages.ts';
import { type MetricsAddress, openMetricsServer, parseMetricsAddress } from '../runtime/metrics-server.ts';
import { backfillOf } from './backfill.ts';
import { environmentOf } from './environment.ts';
import { hintFor } from './hint.ts';
import { planAll } from './plan-file.ts';
import { runPipeline } from './run-pipeline.ts';
import { type ViewKind, chosenView, viewKinds } from './run-view.ts';
import { collectOverride } from './set-option.ts';
import { worstExitCode } from './worst-exit-code.ts';

interface Flags {
  readonly untilEnd: boolean;
  readonly dryRun: boolean;
  readonly maxDeadLetters?: number;
  readonly from?: string;
  readonly to?: string;
  readonly as?: string;
  readonly set: readonly Override[];
  readonly view: ViewKind;
  readonly metrics?: MetricsAddress;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly color: boolean;
}

export function registerRun(program: Command): void {
  program
    .command('run')
    .description(
      'Runs pipelines until Ctrl-C or SIGTERM: then they drain, commit and exit 0. A second signal leaves at once.',
    )
    .argument('[files...]', 'pipeline files, or folders of them; may be left out where this folder holds one')
    .option('--until-end', 'stop at the end offsets seen at the start (backfill, cron)', false)
    .option('--as <name>', 'a backfill beside the live pipeline: a group and positions of its own, under this name')
    .option('--from <time>', 'with --as: begin at records of this time, 2026-11-01T08:00:00Z or how long ago, 7d')
    .option('--to <time>', 'with --as: stop before records of this time; default: at the end offsets seen at the start')
    .option('--dry-run', 'read under no group, write nothing, print the rows', false)
    .option(
      '--max-dead-letters <n>',
      'a pipeline stops with exit code 4 after more dead letters than this',
      wholeNumber,
    )
    .option('--set <path=value>', 'override a value of the file; may be given again', collectOverride, [])
    .option('--view <kind>', 'auto, ink, plain, json or none', viewKind, 'auto')
    .option('--metrics <address>', 'serve /metrics, /healthz and /readyz: 9090, or HOST:PORT', metricsAddress)
    .option('-q, --quiet', 'log nothing but errors', false)
    .option('-v, --verbose', 'log at a terminal too: one JSON object a line on stderr', false)
    .addHelpText(
      'after',
      `
Several pipelines share the process and nothing else: each has its own group, positions, status and alerts. One that
fails ends alone. If a file is invalid none is started. --as, --from, --to and --dry-run are for one pipeline.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a service could not be reached, 4 too many dead letters; of several
pipelines the worst, which is 2, then 1, 4, 3.`,
    )
    .action(async (files: readonly string[], _: unknown, command: Command) => {
      process.exitCode = await run(files, environmentOf(command), command.optsWithGlobals<Flags>());
    });
}

async function run(named: readonly string[], environment: string | null, flags: Flags): Promise<number> {
  const backfill = await backfillOf(flags);
  const files = findPipelines(named);
  const isSeveral = files.length > 1;
  if (isSeveral) refuseForSeveral(files, flags);
  const plans = (await planAll(files, flags.set, environment)).map((plan) => backfill?.planFor(plan) ?? plan);
  const writesStdout = flags.dryRun || plans.some(({ sinks }) => sinks.some(({ use }) => use.component === 'stdout'));
  // Before anything runs: whoever asked for numbers must get them.
  const server = flags.metrics === undefined ? null : await openMetricsServer(flags.metrics);
  const pages = new PipelinePages(plans.map(({ definition }) => definition));
  server?.serve(pages);
  const signals = stopOnSignals();
  const untilEnd = flags.untilEnd || backfill !== null;
  const options = {
    run: {
      clock: systemClock,
      untilEnd,
      ...(backfill?.untilMs !== undefined && { untilMs: backfill.untilMs }),
      deadLettersMax: flags.maxDeadLetters ?? null,
      dryRun: flags.dryRun ? (await import('../runtime/dry-run.ts')).dryRun(printLines) : null,
      isLive: !flags.dryRun && (server !== null || !untilEnd),
      writeLog: logWriter(flags),
    },
    view: {
      kind: chosenView(flags.view, writesStdout, isSeveral),
      color: flags.color,
      writesStdout,
      isOneOfSeveral: isSeveral,
      stop: signals.stop,
    },
    pages,
    metricsAddress: server?.address ?? null,
    stopping: signals.stopping,
  };
  if (isSeveral && options.view.kind === 'plain' && process.stdout.isTTY) tellOfStatus(plans.length);
  const ends = await Promise.all(plans.map((plan) => runPipeline(plan, options)));
  signals.release();
  await server?.close();
  // A connection that has no answer yet would keep the process, and whoever stops it kills after 30 s.
  if (ends.some(({ error }) => error instanceof DeliveryAbandoned)) setTimeout(() => process.exit(), 500).unref();
  if (backfill !== null && ends[0]!.error === null) {
    const command = hintFor(`pipectl destroy FILE --as ${flags.as}`, plans[0]!.definition);
    process.stderr.write(`pipectl: \`${command}\` removes the group and the positions of the backfill\n`);
  }
  return worstExitCode(ends.map(({ exitCode }) => exitCode));
}

/** What names one group, or prints one pipeline's rows. */
function refuseForSeveral(files: readonly string[], { as, from, to, dryRun }: Flags): void {
  const given = Object.entries({ '--as': as, '--from': from, '--to': to, '--dry-run': dryRun || undefined });
  const flag = given.find(([, value]) => value !== undefined)?.[0];
  if (flag === undefined) return;
  const shown = `${files.slice(0, 5).join(', ')}${files.length > 5 ? ` and ${files.length - 5} more` : ''}`;
  throw new PipectlError('usage', `${flag} is for one pipeline, and these are ${files.length}: ${shown}`, {
    exitCode: exitCodes.usage,
    hint: 'name one file',
  });
}

const tellOfStatus = (count: number): void => {
  const hint = '`pipectl status NAME` in another terminal shows one of them, `pipectl status --watch` all';
  process.stderr.write(`pipectl: ${count} pipelines in this process; ${hint}\n`);
};

/** At a terminal the view shows the events; for machines each is a line of JSON. */
function logWriter({ quiet, verbose }: Flags): WriteLog | undefined {
  if (process.stderr.isTTY && !verbose) return undefined;
  return (line, level) => {
    if (!quiet || level === 'error') process.stderr.write(line);
  };
}

/** The first SIGINT or SIGTERM drains all pipelines, the second one leaves at once. */
function stopOnSignals(): { readonly stopping: AbortSignal; readonly stop: () => void; readonly release: () => void } {
  const stopping = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopping.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143);
    stopping.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    stopping: stopping.signal,
    stop: () => stopping.abort(),
    release() {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}

/** Writes to stdout and waits while it is full. */
function printLines(lines: string): Promise<void> {
  return new Promise((resolve, reject) => process.stdout.write(lines, (error) => (error ? reject(error) : resolve())));
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text))
    throw new PipectlError('usage', `${text} is not a whole number`, { exitCode: exitCodes.usage });
  return Number(text);
}

function metricsAddress(text: string): MetricsAddress {
  const address = parseMetricsAddress(text);
  if (address !== undefined) return address;
  throw new PipectlError('usage', `--metrics ${text} is no address: it is a port (9090) or HOST:PORT (0.0.0.0:9090)`, {
    exitCode: exitCodes.usage,
  });
}

function viewKind(text: string): ViewKind {
  const kind = viewKinds.find((known) => known === text);
  if (kind) return kind;
  throw new PipectlError('usage', `--view ${text} is unknown: it is ${viewKinds.join(', ')}`, {
    exitCode: exitCodes.usage,
  });
}
