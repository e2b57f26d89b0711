/**
 * Bugs that are planted into a copy of the source text to judge the simulation by: each must be caught. `find` stands in
 * the file exactly once; where the text has changed, the bug must be written anew.
 */
export interface PlantedBug {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const breaker = 'src/engine/breaker.ts';
const delivery = 'src/engine/delivery.ts';
const epoch = 'src/engine/epoch.ts';
const gathering = 'src/engine/gathering.ts';
const groupOffsets = 'src/engine/group-offsets.ts';
const optionalStage = 'src/runtime/optional-stage.ts';
const positions = 'src/engine/positions.ts';
const report = 'src/engine/report.ts';
const stage = 'src/engine/stage.ts';
const sinks = 'test/simulation/sinks.ts';

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'a position moves past dead letters of decode and steps that are not durable yet',
    file: delivery,
    find: '      await this.#epochLettersDurable;\n      await this.#bury(result.rejected);',
    replace: '      await this.#bury(result.rejected);',
  },
  {
    name: 'a position moves past rejected rows that are not dead letters yet',
    file: delivery,
    find: 'await this.#bury(result.rejected);',
    replace: 'void this.#bury(result.rejected).catch(() => undefined);',
  },
  {
    name: 'rejected rows get no dead letter',
    file: delivery,
    find: 'rejected.filter(({ record }) => !this.#buried.has(record))',
    replace: '[] as (typeof rejected)[number][]',
  },
  {
    name: 'a failed attempt is not repeated',
    file: delivery,
    find: 'if (!(error instanceof SinkUnavailable)) throw error;',
    replace: 'return undefined as T;',
  },
  {
    name: 'a failed attempt is not rolled back',
    file: delivery,
    find: '      await sink.rollback();\n',
    replace: '',
  },
  {
    name: 'a commit that failed counts as done',
    file: delivery,
    find: '      await sink.commit();\n',
    replace: '      await sink.commit().catch(() => undefined);\n',
  },
  {
    name: 'the transaction is not committed',
    file: delivery,
    find: '      await sink.commit();\n',
    replace: '',
  },
  {
    name: 'after an unknown commit what was written counts as skipped',
    file: delivery,
    find: 'commitUnknown ||= committing;',
    replace: 'batch.count.offered += committing ? 1 : 0;',
  },
  {
    name: 'a refused seal is taken for a good one',
    file: delivery,
    find: '  if (errors.length === 0) {',
    replace: '  if (errors.every((error) => error instanceof Fenced)) {',
  },
  {
    name: 'an epoch is done when its first sink is',
    file: delivery,
    find: 'await Promise.allSettled([durable, ...deliveries])',
    replace: 'await Promise.allSettled([durable, deliveries.map((one) => one.catch(() => undefined))[0]!])',
  },
  {
    name: 'keeps going after a refused seal: what was gathered meanwhile is written',
    file: stage,
    find: '          // Gathered before a refusal: written now, they would leave the undone epoch out.\n          if (!this.#owning) break;\n',
    replace: '',
  },
  {
    name: 'the next epoch is written although the former one failed',
    file: stage,
    find: '    const failed = await this.#former();\n    if (failed) {',
    replace: '    const failed = await this.#former();\n    if (failed && epoch.letters.length > 99) {',
  },
  {
    name: 'the next epoch overtakes the one that waits for its next try',
    file: stage,
    find: '    const failed = await this.#former();\n    if (failed) {',
    replace: '    const failed = false;\n    if (failed) {',
  },
  {
    name: 'after a refusal nobody asks the coordinator',
    file: stage,
    find: '    await source.reassign();\n',
    replace: '',
  },
  {
    name: 'an epoch is sealed before it is written',
    file: stage,
    find: '    try {\n      await deliver(epoch, prepared, this.#delivery, this.#abandon.signal);',
    replace:
      '    try {\n      sealEpoch(this.report, epoch);\n      this.#groupOffsets.plan();\n      this.report.pending += epoch.read;\n      await deliver(epoch, prepared, this.#delivery, this.#abandon.signal);',
  },
  {
    name: 'reading starts at the highest position instead of the lowest',
    file: positions,
    find: 'Math.min(...known)',
    replace: 'Math.max(...known)',
  },
  {
    name: 'a sink that has no position yet begins where the others are',
    file: positions,
    find: 'stored.map((of) => of.get(partition) ?? first)',
    replace: 'stored.flatMap((of) => of.get(partition) ?? [])',
  },
  {
    name: 'only the first sink is claimed',
    file: positions,
    find: 'if (route.sink.storesPositions) stored.push',
    replace: 'if (route.sink.storesPositions && i === 0) stored.push',
  },
  {
    name: 'the committed offset does not count for sinks without positions',
    file: positions,
    find: '      known.push(committed ?? initial);\n',
    replace: '',
  },
  {
    name: 'the last record of a chunk is left out of its epoch',
    file: epoch,
    find: 'const end = Math.min(start + SLICE_RECORDS, records.length);',
    replace: 'const end = Math.min(start + SLICE_RECORDS, records.length - (records.length > 6 ? 1 : 0));',
  },
  {
    name: 'an epoch moves the position one record too far',
    file: epoch,
    find: '      to: chunk.nextOffset,\n',
    replace: '      to: chunk.nextOffset + 1,\n',
  },
  {
    name: 'an epoch keeps the first range of a partition instead of the last',
    file: epoch,
    find: '      to: chunk.nextOffset,\n',
    replace: '      to: before?.to ?? chunk.nextOffset,\n',
  },
  {
    name: 'a record whose `when` fails also goes to the sink that takes the rest',
    file: epoch,
    find: '      if (when !== null) taken?.add(record);\n      count.rejected++;',
    replace: '      count.rejected++;',
  },
  {
    name: 'a record whose version fails at one sink is kept from the one that takes the rest',
    file: epoch,
    find: '      if (when !== null) taken?.add(record);\n      count.rejected++;',
    replace: '      taken?.add(record);\n      count.rejected++;',
  },
  {
    name: 'a step counts its dead letters twice',
    file: epoch,
    find: '      dead++;\n',
    replace: '      dead += 2;\n',
  },
  {
    name: 'an epoch that is undone stays in the account',
    file: stage,
    find: '      forgetEpoch(this.report, epoch);\n      return this.#recover();',
    replace: '      return this.#recover();',
  },
  {
    name: 'held records of a former assignment are given on',
    file: gathering,
    find: '        this.#held = null;\n        return arrived.event;',
    replace: '        return arrived.event;',
  },
  {
    name: 'records that are held at the end are dropped',
    file: gathering,
    find: "arrived?.event.kind === 'ended' && this.#held !== null",
    replace: "arrived?.event.kind === 'ended' && false",
  },
  {
    name: 'positions that move during a commit are not committed',
    file: groupOffsets,
    find: '    while (this.#again) {',
    replace: '    if (this.#again) {',
  },
  {
    name: 'only one offset commit is ever made',
    file: groupOffsets,
    find: '    this.#committing = undefined;\n',
    replace: '',
  },
  {
    name: 'the position of a partition is that of another one',
    file: report,
    find: '    progress.position = to;\n',
    replace: '    for (const other of report.partitions.values()) other.position = to;\n',
  },
  {
    name: 'sink: rows are visible before the commit',
    file: sinks,
    find: 'session.staged = { rows: [...former, ...rows],',
    replace: 'for (const { key, row } of rows) this.#put(key, row);\n      session.staged = { rows: former,',
  },
  {
    name: 'sink: the fence is skipped',
    file: sinks,
    find: "throw new Fenced('has another owner');",
    replace: 'continue;',
  },
  {
    name: 'sink: a database that has gone back to an older state is not noticed',
    file: sinks,
    find: "throw new Fenced('has gone back to an older state');",
    replace: 'continue;',
  },
  {
    name: 'sink: position rows are not locked until the commit',
    file: sinks,
    find: 'else if (session !== own && wanted',
    replace: 'else if (session !== own && wanted.length > 99 && wanted',
  },
  {
    name: 'sink: duplicate delivery is not skipped',
    file: sinks,
    find: 'if (record.raw.offset < this.#positionOf(record.partition)) skippedOffset++;\n        else if',
    replace: 'if',
  },
  {
    name: 'sink: a position moves back',
    file: sinks,
    find: 'const moved = Math.max(to, stored.position ?? 0);',
    replace: 'const moved = to;',
  },
  {
    name: 'sink: a rejected row drops the rows after it',
    file: sinks,
    find: "message: 'simulated constraint' });\n        else\n",
    replace: "message: 'simulated constraint' });\n        else if (rejected.length === 0)\n",
  },
  {
    name: 'sink: an older version replaces a newer one',
    file: sinks,
    find: 'if (this.#table.plan.versioned && former && !isAnew && row.version <= former.version) return;',
    replace: '',
  },
  {
    name: 'sink: a transaction goes on in another session',
    file: sinks,
    find: "if (this.#session.isOver && doing !== 'commit')",
    replace: 'if (this.#session.isOver)',
  },
  {
    name: 'the breaker is asked after the dead letters of decode and steps are durable',
    file: delivery,
    find: '  await passBreaker(toll, options, signal);\n  const durable = appendDeadLetters(letters, options, signal);',
    replace:
      '  const durable = appendDeadLetters(letters, options, signal);\n  durable.catch(() => undefined);\n  await passBreaker(toll, options, signal);',
  },
  {
    name: 'the breaker is asked after a sink has made its rejections durable',
    file: delivery,
    find: '      mine.rejected = result.rejected;\n',
    replace: '      mine.rejected = result.rejected;\n      await this.#bury(result.rejected);\n',
  },
  {
    name: 'the breaker is not asked what a sink refuses',
    file: delivery,
    find: 'if (!isHeld(this.#toll, this.#options)) return result;',
    replace: 'return result;',
  },
  {
    name: 'the breaker does not count the epoch at hand',
    file: breaker,
    find: 'if (before.dead + dead <= this.#deadMax(before.read + toll.read)) return false;',
    replace: 'if (before.dead <= this.#deadMax(before.read)) return false;',
  },
  {
    name: 'the breaker forgets what was written before',
    file: breaker,
    find: 'if (before.dead + dead <= this.#deadMax(before.read + toll.read)) return false;',
    replace: 'if (dead <= this.#deadMax(before.read + toll.read)) return false;',
  },
  {
    name: 'who waits for the breaker is not told that it was resumed',
    file: breaker,
    find: '    this.#closing.resolve();\n',
    replace: '',
  },
  {
    name: 'a sink that gave up a batch writes nothing and goes on',
    file: delivery,
    find: '      mine.rejected = error.rejected;\n',
    replace:
      '      return { written: 0, supersededInBatch: 0, skippedOffset: 0, skippedVersion: 0, rejected: error.rejected };\n',
  },
  {
    name: 'what the breaker held is not looked for anew',
    file: delivery,
    find: '        this.#toll.refused[this.#index]!.rejected = [];\n        await passBreaker(this.#toll, this.#options, this.#signal);',
    replace: '        await passBreaker(this.#toll, this.#options, this.#signal);\n        return;',
  },
  {
    name: 'rows of a sink that was given up get no dead letter',
    file: delivery,
    find: '    await this.#bury(records.map((record) => ({ record, ...reason })));\n',
    replace: '',
  },
  {
    name: 'a sink that was given up is not in the account',
    file: delivery,
    find: '    count.rejected += records.length;\n',
    replace: '',
  },
  {
    name: 'a sink whose absence is to stop the run is passed by',
    file: delivery,
    find: "if (leftMs <= 0 && policy.action === 'stop') throw new SinkGivenUp(`${doing} failed: ${error.message}`);",
    replace: '',
  },
  {
    name: 'a stage beside writes the dead letters of decode and steps too',
    file: epoch,
    find: 'program.sinkLettersOnly === true ? [] : letters',
    replace: 'letters',
  },
  {
    name: 'what a sink of another stage takes is also for the one that takes the rest',
    file: epoch,
    find: '    for (const when of elsewhere) for',
    replace: '    for (const when of elsewhere.slice(0, 0)) for',
  },
  {
    name: 'a sink without positions gets again what others catch up with',
    file: epoch,
    find: 'record.raw.offset < (floors.get(record.partition) ?? 0)',
    replace: 'record.raw.offset < 0',
  },
  {
    name: 'offsets of the group go back while others catch up',
    file: stage,
    find: 'Math.max(position, this.#floors.get(partition) ?? 0)',
    replace: 'position',
  },
  {
    name: 'who starts at the end begins anew there after each assignment',
    file: positions,
    find: 'const first = Math.min(initial, committed ?? initial);',
    replace: 'const first = initial;',
  },
  {
    name: 'records that are deleted are passed silently',
    file: positions,
    find: '  refuseLost(assignment, positions);\n',
    replace: '',
  },
  {
    name: 'a stage beside that has failed is not started anew',
    file: optionalStage,
    find: '        await this.#rest(error, report);\n',
    replace: '        await this.#rest(error, report);\n        return;\n',
  },
  {
    name: 'a stage beside ends the run when it fails',
    file: optionalStage,
    find: '        if (!wasThere || error instanceof BreakerOpened) throw error;\n',
    replace: '        throw error;\n',
  },
  {
    name: 'a stage that is started anew counts as pending what the former one held',
    file: report,
    find: '  report.pending = 0;\n',
    replace: '  report.pending += 1;\n',
  },
  {
    name: 'sink: the number of the rebuild is ignored',
    file: sinks,
    find: 'const isAnew = former !== undefined && row.rebuild > former.rebuild;',
    replace: 'const isAnew = false;',
  },
  {
    name: 'sink: a partition without a position counts as one at 0',
    file: sinks,
    find: 'if (stored && stored.position !== null) known.set(partition, stored.position);',
    replace: 'if (stored) known.set(partition, stored.position ?? 0);',
  },
];
