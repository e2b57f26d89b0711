import { type Command, InvalidArgumentError, Option } from 'commander';
import { DeliveryAbandoned, SinkGivenUp } from '../engine/delivery.ts';
import { Fenced, SinkUnavailable, silentLog } from '../engine/ports.ts';
import { exitCodes, PipectlError } from '../errors.ts';
import { type Edit, parseEdit } from '../operations/dead-letters/edit.ts';
import { newTally, type ReplayTally } from '../operations/dead-letters/tally.ts';
import { note } from './dlq-close.ts';
import type { DeadLetterPlace } from '../operations/dead-letters/queue.ts';
import {
  dlqCommand,
  type FilterOptions,
  type PlaceOptions,
  placeOf,
  selectionOf,
  withSelection,
} from './dlq-options.ts';
import { replayJson, replayText } from './dlq-replay-output.ts';
import { environmentOf } from './environment.ts';

interface ReplayOptions extends PlaceOptions, FilterOptions {
  readonly to: 'pipeline' | 'source';
  readonly all: boolean;
  readonly yes: boolean;
  readonly here: boolean;
  readonly detach: boolean;
  readonly dryRun: boolean;
  readonly force: boolean;
  readonly rate: number;
  readonly set: readonly Edit[];
  readonly note?: string;
  readonly json: boolean;
}

/** How long a sink that is away is waited for. */
const awayMs = 15_000;

export function registerDlqReplay(dlq: Command): void {
  const replay = dlqCommand(
    dlq,
    'replay',
    'Processes dead letters again, as the pipeline is now: one a sink refused goes to that sink, others through all steps. Moves no position and leaves newer rows alone.',
  );
  withSelection(replay)
    .addOption(
      new Option(
        '--to <place>',
        "source: write their records into their topics again, where every consumer group reads them; also another program's letters. Asks first, or needs --yes",
      )
        .choices(['pipeline', 'source'])
        .default('pipeline'),
    )
    .option(
      '--here',
      'run steps and sinks for these letters in this process; else the pipeline that runs takes them up',
      false,
    )
    .option('--detach', 'hand them over and do not wait for their ends', false)
    .option(
      '--dry-run',
      'say which would pass now; what a database says is found out in a transaction that is undone',
      false,
    )
    .option('--force', 'also letters in quarantine', false)
    .option('--rate <n/s>', 'at most so many letters a second', rate, 100)
    .option('--set <path=value>', 'replay a copy with another value in the event; may be given again', edit, [])
    .option('--note <text>', 'why; it is kept with who and when', note)
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      '\nKilled half way, run it again: what has come to an end is not selected any more.\nExit codes: 0 all delivered, superseded, taken by no sink or sent back, 1 some are not, 2 wrong usage, 3 a service was away.',
    )
    .action(async (file: string | undefined, options: ReplayOptions, command: Command) => {
      process.exitCode = await replayLetters(file, environmentOf(command), options);
    });
}

async function replayLetters(
  file: string | undefined,
  environment: string | null,
  options: ReplayOptions,
): Promise<number> {
  const filter = selectionOf(options);
  refuseMixed(options);
  const [{ selectLetters }, { refuseMany }, { letterStates }, { operatorName }, { plan, place }] = await Promise.all([
    import('../operations/dead-letters/select.ts'),
    import('../operations/dead-letters/resolve.ts'),
    import('../operations/dead-letters/state.ts'),
    import('../operations/dead-letters/operator.ts'),
    replayed(file, environment, options),
  ]);
  const store = letterStates(place, silentLog);
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    const states = await store.read();
    const wanted = options.force ? (['open', 'quarantined'] as const) : (['open'] as const);
    const selection = await selectLetters(place, filter, states, wanted, silentLog);
    const { quarantined } = selection.byStatus;
    if (quarantined > 0 && !options.force)
      process.stderr.write(`pipectl: ${quarantined} in quarantine are left out; --force takes them too\n`);
    refuseMany(selection.count, options.yes || options.dryRun);
    const act = { by: operatorName(), note: options.note ?? null };
    const replay = { plan, states, store, selection, act, signal: stopping.signal, options };
    const tally = selection.count > 0 ? await replayTo(replay, place) : newTally(0);
    if (tally === null) return exitCodes.done;
    if (tally === 'declined') {
      process.stderr.write('pipectl: nothing was sent\n');
      return exitCodes.failed;
    }
    process.stdout.write(options.json ? replayJson(tally, options.dryRun) : replayText(tally, options.dryRun));
    return exitCodeOf(tally);
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
    await store.close();
  }
}

function refuseMixed({ to, here, detach, topic, pipeline }: ReplayOptions): void {
  const refused = (message: string, hint: string): PipectlError =>
    new PipectlError('usage', message, { hint, exitCode: exitCodes.usage });
  if (to === 'source' && (here || detach))
    throw refused('--to source hands nothing to a pipeline', `leave ${here ? '--here' : '--detach'} out`);
  if (to !== 'source' && (topic ?? pipeline) !== undefined)
    throw refused(
      'a dead-letter topic alone does not say how its records are processed',
      'give the pipeline file; or put the records back into the topics they came from: --to source',
    );
}

/** The pipeline, where its file is given, and its queue. */
async function replayed(file: string | undefined, environment: string | null, options: ReplayOptions) {
  const { topic, pipeline } = options;
  if ((topic ?? pipeline) !== undefined) return { plan: null, place: await placeOf(file, environment, options) };
  const [{ planFile }, { deadLetterPlace }] = await Promise.all([
    import('./plan-file.ts'),
    import('../operations/dead-letters/queue.ts'),
  ]);
  const plan = await planFile(file, [], environment);
  return { plan, place: deadLetterPlace(plan.definition) };
}

/** Null where nobody waits for the ends. */
async function replayTo(
  { plan, ...replay }: Omit<Replay, 'plan'> & { readonly plan: Replay['plan'] | null },
  place: DeadLetterPlace,
): Promise<ReplayTally | 'declined' | null> {
  const { store, selection, act, signal, options } = replay;
  if (options.to === 'source') {
    if ('file' in place)
      throw new PipectlError('no_kafka', `${place.file} is no topic, so there is none to send its records back to`, {
        hint: 'replay them in this process: --here',
        exitCode: exitCodes.usage,
      });
    const { toSource } = await import('./dlq-to-source.ts');
    const { dryRun: isTrial, force: isForced, yes: isConfirmed, rate: ratePerSecond, set: edits } = options;
    const how = { isTrial, isForced, isConfirmed, ratePerSecond, edits };
    return (await toSource({ plan, place, store, selection, act, signal, log: silentLog, ...how })) ?? 'declined';
  }
  // Without a file it would have been refused.
  const known = { ...replay, plan: plan! };
  return await (options.here || options.dryRun ? replayIn(known) : handOver(known, place));
}

type HereOptions = import('../runtime/replay-here.ts').ReplayHereOptions;

interface Replay extends Pick<HereOptions, 'plan' | 'states' | 'act' | 'signal'> {
  readonly store: NonNullable<HereOptions['store']>;
  readonly selection: import('../operations/dead-letters/select.ts').Selection;
  readonly options: ReplayOptions;
}

async function replayIn({ plan, states, store, selection, act, signal, options }: Replay): Promise<ReplayTally> {
  const [{ Replayer, checkGuards }, { replayHere }, { systemClock: clock }, { isRunning }] = await Promise.all([
    import('../runtime/replay.ts'),
    import('../runtime/replay-here.ts'),
    import('../runtime/clock.ts'),
    import('../runtime/running.ts'),
  ]);
  const kind = options.dryRun ? 'trial' : 'real';
  try {
    const retry = { action: 'stop', forMs: awayMs } as const;
    const replayer = await Replayer.open(plan, {
      clock,
      log: silentLog,
      kind,
      retry,
      signal,
      isRunning: () => isRunning(plan, process.env),
    });
    try {
      const plain = checkGuards(replayer, options.yes || options.dryRun);
      if (plain.length > 0)
        process.stderr.write(
          options.dryRun
            ? `pipectl: ${plain.join(', ')} can not be tried without writing, and is taken to accept every row\n`
            : `pipectl: ${plain.join(', ')} can not tell a row that is there: a letter that is replayed twice is written twice\n`,
        );
      const { rate: ratePerSecond, set: edits } = options;
      const world = { clock, log: silentLog, signal, ratePerSecond, edits };
      return await replayHere(selection, {
        plan,
        replayer,
        states,
        act,
        store: options.dryRun ? null : store,
        ...world,
      });
    } finally {
      await replayer.close();
    }
  } catch (error) {
    throw asPipectlError(error);
  }
}

/** Through the members that run: null where nobody waits for the ends. */
async function handOver({ plan, states, selection, act, signal, options }: Replay, place: DeadLetterPlace) {
  const [{ HandOver }, { replayTopic }, { isRunning }, { randomUUID }] = await Promise.all([
    import('../operations/dead-letters/hand-over.ts'),
    import('../operations/dead-letters/request.ts'),
    import('../runtime/running.ts'),
    import('node:crypto'),
  ]);
  const { definition } = plan;
  if ('file' in place)
    throw new PipectlError(
      'no_kafka',
      `${definition.name} has its dead letters in a file, from which nobody takes them up`,
      {
        hint: 'replay them in this process: --here',
        exitCode: exitCodes.usage,
      },
    );
  if (!(await isRunning(plan, process.env)))
    throw new PipectlError('dlq_nobody_runs', `no process runs ${definition.name}`);
  const request = {
    ...act,
    run: randomUUID(),
    edits: options.set.map(({ text }) => text),
    isMeant: options.yes,
  };
  const { rate: ratePerSecond } = options;
  await using handing = await HandOver.open({
    definition,
    place,
    states,
    request,
    ratePerSecond,
    log: silentLog,
    signal,
  });
  const given = await handing.give(selection);
  if (!options.detach) return await handing.answers(selection.count);
  process.stdout.write(
    `${given} dead letters are in ${replayTopic(definition)}; \`pipectl dlq stats\` tells what becomes of them\n`,
  );
  return null;
}

/** What ended a replay early, as a person should read it. What has come to an end by then is noted. */
function asPipectlError(error: unknown): unknown {
  const isAway = error instanceof SinkGivenUp || error instanceof SinkUnavailable || error instanceof DeliveryAbandoned;
  if (!isAway && !(error instanceof Fenced)) return error;
  return new PipectlError('sink_unavailable', error.message, {
    cause: error,
    hint: 'what came to an end before is noted: run it again for the rest',
    exitCode: exitCodes.unreachable,
  });
}

function exitCodeOf({ selected, ends }: ReplayTally): number {
  const { delivered, superseded, filtered, sent, repeated } = ends;
  return delivered + superseded + filtered + sent + repeated === selected ? exitCodes.done : exitCodes.failed;
}

function rate(text: string): number {
  const match = /^(\d{1,6})(?:\/s)?$/.exec(text);
  if (match === null || Number(match[1]) < 1)
    throw new InvalidArgumentError('expected letters a second, such as 100/s');
  return Number(match[1]);
}

function edit(text: string, former: readonly Edit[]): readonly Edit[] {
  const parsed = parseEdit(text);
  if (parsed === undefined) throw new InvalidArgumentError('expected path=value, such as customer.id=17');
  return [...former, parsed];
}
