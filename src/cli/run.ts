import type { Command } from 'commander';
import type { Override } from '../definition/overrides.ts';
import { BreakerOpened } from '../engine/breaker.ts';
import { DeliveryAbandoned, SinkGivenUp } from '../engine/delivery.ts';
import { SinkUnavailable, SourceFailed } from '../engine/ports.ts';
import { SinkNeverThere } from '../engine/open-sink.ts';
import { PipectlError, errorTable, exitCodes } from '../errors.ts';
import type { Plan } from '../plan/index.ts';
import { systemClock } from '../runtime/clock.ts';
import { openControl } from '../runtime/control.ts';
import { type MetricsAddress, openMetricsServer, parseMetricsAddress } from '../runtime/metrics-server.ts';
import type { WriteLog } from '../runtime/log.ts';
import { observe } from '../runtime/observe.ts';
import { type RunningPipeline, startPipeline } from '../runtime/run.ts';
import { finalSummary, startPlainView } from '../view/plain.ts';
import { describeTerminal } from '../view/terminal.ts';
import { backfillOf } from './backfill.ts';
import { environmentOf } from './environment.ts';
import { hintFor } from './hint.ts';
import { planFile } from './plan-file.ts';
import { controlHandlers } from './run-control.ts';
import { collectOverride } from './set-option.ts';
import { version } from './version.ts';

type ViewKind = 'auto' | 'ink' | 'plain' | 'json' | 'none';

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
      'Runs a pipeline until Ctrl-C or SIGTERM: then it drains, commits and exits 0. A second signal leaves at once.',
    )
    .argument('[file]', 'the pipeline file; may be left out where the folder holds one')
    .option('--until-end', 'stop at the end offsets seen at the start (backfill, cron)', false)
    .option('--as <name>', 'a backfill beside the live pipeline: a group and positions of its own, under this name')
    .option('--from <time>', 'with --as: begin at records of this time, 2026-11-01T08:00:00Z or how long ago, 7d')
    .option('--to <time>', 'with --as: stop before records of this time; default: at the end offsets seen at the start')
    .option('--dry-run', 'read under no group, write nothing, print the rows', false)
    .option('--max-dead-letters <n>', 'stop with exit code 4 after more dead letters than this', wholeNumber)
    .option('--set <path=value>', 'override a value of the file; may be given again', collectOverride, [])
    .option('--view <kind>', 'auto, ink, plain, json or none', viewKind, 'auto')
    .option('--metrics <address>', 'serve /metrics, /healthz and /readyz: 9090, or HOST:PORT', metricsAddress)
    .option('-q, --quiet', 'log nothing but errors', false)
    .option('-v, --verbose', 'log at a terminal too: one JSON object a line on stderr', false)
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 a service could not be reached, 4 too many dead letters.',
    )
    .action(async (file: string | undefined, _: unknown, command: Command) => {
      process.exitCode = await run(file, environmentOf(command), command.optsWithGlobals<Flags>());
    });
}

async function run(file: string | undefined, environment: string | null, flags: Flags): Promise<number> {
  const backfill = await backfillOf(flags);
  const whole = await planFile(file, flags.set, environment);
  const plan = backfill?.planFor(whole) ?? whole;
  const writesStdout = flags.dryRun || plan.sinks.some(({ use }) => use.component === 'stdout');
  // Before anything runs: whoever asked for numbers must get them.
  const server = flags.metrics === undefined ? null : await openMetricsServer(flags.metrics);
  const pipeline = await startPipeline(plan, {
    clock: systemClock,
    untilEnd: flags.untilEnd || backfill !== null,
    ...(backfill?.untilMs !== undefined && { untilMs: backfill.untilMs }),
    deadLettersMax: flags.maxDeadLetters ?? null,
    dryRun: flags.dryRun ? (await import('../runtime/dry-run.ts')).dryRun(printLines) : null,
    writeLog: logWriter(flags),
  });
  if (server !== null) pipeline.log.info('metrics', `numbers at http://${server.address}/metrics`);
  const stopSignals = stopOnSignals(pipeline);
  const isLive = !flags.dryRun && (server !== null || !(flags.untilEnd || backfill !== null));
  const observation = observe(plan, pipeline, { clock: systemClock, server, version: version(), isLive });
  const control = await openControl(pipeline.name, controlHandlers(pipeline, systemClock), {
    env: process.env,
    log: pipeline.log,
  });
  const view = await openView(pipeline, flags, writesStdout, stopSignals.stop);
  try {
    await pipeline.done;
  } catch (error) {
    // A connection that has no answer yet would keep the process, and whoever stops it kills after 30 s.
    if (error instanceof DeliveryAbandoned) setTimeout(() => process.exit(), 500).unref();
    throw asPipectlError(error, plan);
  } finally {
    await Promise.all([control.close(), observation.close()]);
    await view.close();
    stopSignals.release();
  }
  if (backfill !== null) {
    const command = hintFor(`pipectl destroy FILE --as ${flags.as}`, plan.definition);
    process.stderr.write(`pipectl: \`${command}\` removes the group and the positions of the backfill\n`);
  }
  const deadLetters = pipeline.deadLetterCount();
  const tooMany = flags.maxDeadLetters !== undefined && deadLetters > flags.maxDeadLetters;
  if (tooMany) process.stderr.write(`pipectl: stopped after ${deadLetters} dead letters; see \`pipectl dlq ls\`\n`);
  return tooMany ? exitCodes.deadLetters : exitCodes.done;
}

/** At a terminal the view shows the events; for machines each is a line of JSON. */
function logWriter({ quiet, verbose }: Flags): WriteLog | undefined {
  if (process.stderr.isTTY && !verbose) return undefined;
  return (line, level) => {
    if (!quiet || level === 'error') process.stderr.write(line);
  };
}

/** The first SIGINT or SIGTERM drains, the second one leaves at once. */
function stopOnSignals(pipeline: RunningPipeline): { stop: () => void; release: () => void } {
  let stopping = false;
  const stop = () => {
    stopping = true;
    pipeline.stop();
  };
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopping) process.exit(signal === 'SIGINT' ? 130 : 143);
    stop();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    stop,
    release() {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}

async function openView(
  pipeline: RunningPipeline,
  { view, color }: Flags,
  writesStdout: boolean,
  stop: () => void,
): Promise<{ close(): void | Promise<void> }> {
  const snapshots = () => pipeline.snapshot();
  const { stdin, stdout, stderr } = process;
  const terminal = describeTerminal(process.env, !color);
  const kind = view === 'auto' ? automaticView(writesStdout) : view;
  switch (kind) {
    case 'ink': {
      const { startInkView } = await (await import('../view/ink/load.ts')).loadInkView();
      const force = () => process.exit(130);
      const sampleOf = (fingerprint: string) => Promise.resolve(pipeline.deadLetterSample(fingerprint));
      const ink = startInkView({ snapshots, sampleOf, onStop: stop, onForce: force, stdin, stdout, stderr, terminal });
      let lines: { close(): void } | undefined;
      void ink.closedByUser.then(() => (lines = startPlainView({ snapshots, out: stdout, unicode: terminal.unicode })));
      return { close: async () => (lines ? lines.close() : ink.close()) };
    }
    case 'plain':
      return startPlainView({ snapshots, out: writesStdout ? stderr : stdout, unicode: terminal.unicode });
    case 'json': {
      const { startJsonView } = await import('../view/json.ts');
      return startJsonView({ snapshots, out: writesStdout ? stderr : stdout });
    }
    case 'summary':
      return {
        close() {
          const last = snapshots();
          // Of a run that failed its error is told.
          if (last.state !== 'failed') stderr.write(`${finalSummary(last).join('\n')}\n`);
        },
      };
    case 'none':
      return { close: () => undefined };
  }
}

/** The picture at a terminal, lines elsewhere; no more than the end where rows have stdout and the log has stderr. */
function automaticView(writesStdout: boolean): Exclude<ViewKind, 'auto'> | 'summary' {
  if (writesStdout) return process.stderr.isTTY ? 'plain' : 'summary';
  return process.stdin.isTTY && process.stdout.isTTY ? 'ink' : 'plain';
}

/** What stopped the pipeline, as a person should read it. */
function asPipectlError(error: unknown, { definition }: Plan): unknown {
  if (error instanceof PipectlError && error.hint?.includes('FILE'))
    return new PipectlError(error.code, error.message, { cause: error, hint: hintFor(error.hint, definition) });
  if (error instanceof PipectlError || !(error instanceof Error)) return error;
  const message = `${definition.name}: ${error.message}`;
  if (error instanceof SourceFailed) {
    const { hint = '' } = new PipectlError(error.code, '');
    const places = error.goOn.map(({ topic, partition, offset }) => `${topic}:${partition}=${offset}`);
    const there = places.length === 0 ? hint : hint.replace('--to earliest', `--to ${places.join(',')}`);
    return new PipectlError(error.code, message, { cause: error, hint: hintFor(there, definition) });
  }
  if (error instanceof BreakerOpened) {
    const hint = `Nothing of what the breaker holds was written: look at the cause, then run again. ${errorTable.breaker_open.hint}`;
    return new PipectlError('breaker_open', message, { cause: error, hint, exitCode: exitCodes.deadLetters });
  }
  if (error instanceof SinkNeverThere || error instanceof SinkUnavailable || error instanceof SinkGivenUp) {
    return new PipectlError('sink_unavailable', message, { cause: error, exitCode: exitCodes.unreachable });
  }
  if (error instanceof DeliveryAbandoned) {
    const hint = 'Nothing is lost: what was not written is read again at the next run.';
    return new PipectlError('drain_incomplete', message, { cause: error, hint, exitCode: exitCodes.unreachable });
  }
  return error;
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
  const kinds = ['auto', 'ink', 'plain', 'json', 'none'] as const;
  const kind = kinds.find((known) => known === text);
  if (kind) return kind;
  throw new PipectlError('usage', `--view ${text} is unknown: it is ${kinds.join(', ')}`, {
    exitCode: exitCodes.usage,
  });
}
