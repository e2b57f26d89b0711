/** One pipeline of a process from its start to its end, with what others see of it meanwhile. */
import { BreakerOpened } from '../engine/breaker.ts';
import { DeliveryAbandoned, SinkGivenUp } from '../engine/delivery.ts';
import { SinkNeverThere } from '../engine/open-sink.ts';
import { SinkUnavailable, SourceFailed } from '../engine/ports.ts';
import { PipectlError, errorTable, exitCodes } from '../errors.ts';
import type { Plan } from '../plan/index.ts';
import { openControl } from '../runtime/control.ts';
import type { PipelinePages } from '../runtime/metrics-pages.ts';
import { observe } from '../runtime/observe.ts';
import { type RunOptions, startPipeline } from '../runtime/run.ts';
import { hintFor } from './hint.ts';
import { reportFailure } from './report-failure.ts';
import { controlHandlers } from './run-control.ts';
import { type RunViewOptions, openView } from './run-view.ts';
import { version } from './version.ts';

export interface PipelineRunOptions {
  readonly run: RunOptions;
  readonly view: RunViewOptions;
  readonly pages: PipelinePages;
  /** Where `pages` are served; null: nowhere. */
  readonly metricsAddress: string | null;
  /** Aborted when the process is to stop. */
  readonly stopping: AbortSignal;
}

export interface PipelineEnd {
  readonly exitCode: number;
  /** What stopped it; null where it came to its end. Already told. */
  readonly error: unknown;
}

/** Runs it and never rejects: what becomes of it must not touch those beside it. */
export async function runPipeline(plan: Plan, options: PipelineRunOptions): Promise<PipelineEnd> {
  const { definition } = plan;
  const { pages, view } = options;
  const whose = view.isOneOfSeveral ? definition.name : null;
  try {
    const deadLetters = await runToEnd(plan, options);
    pages.ended(definition, 'stopped');
    const { deadLettersMax } = options.run;
    if (deadLettersMax === null || deadLetters <= deadLettersMax) return { exitCode: exitCodes.done, error: null };
    const told = `stopped after ${deadLetters} dead letters; see \`pipectl dlq ls\``;
    process.stderr.write(`pipectl: ${whose === null ? '' : `${whose}: `}${told}\n`);
    return { exitCode: exitCodes.deadLetters, error: null };
  } catch (error) {
    pages.ended(definition, 'failed');
    return { exitCode: reportFailure(asPipectlError(error, plan), whose), error };
  }
}

/** Gives the number of dead letters; rejects with what stopped it. */
async function runToEnd(
  plan: Plan,
  { run, view: viewOptions, pages, metricsAddress, stopping }: PipelineRunOptions,
): Promise<number> {
  const { clock, isLive } = run;
  const pipeline = await startPipeline(plan, run);
  if (metricsAddress !== null) pipeline.log.info('metrics', `numbers at http://${metricsAddress}/metrics`);
  const stop = (): void => pipeline.stop();
  if (stopping.aborted) stop();
  stopping.addEventListener('abort', stop);
  const observation = observe(plan, pipeline, { clock, version: version(), isLive });
  pages.started(plan.definition, { snapshot: () => pipeline.snapshot(), observed: () => observation.observed() });
  const control = await openControl(pipeline.name, controlHandlers(pipeline, clock), {
    env: process.env,
    log: pipeline.log,
  });
  const view = await openView(pipeline, viewOptions);
  try {
    await pipeline.done;
  } finally {
    stopping.removeEventListener('abort', stop);
    await Promise.all([control.close(), observation.close()]);
    await view.close();
  }
  return pipeline.deadLetterCount();
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
