/** The failure-injection exercise: faults one after the other while input keeps coming, and what held. */
import { randomUUID } from 'node:crypto';
import type { KafkaAdmin } from '../../connections/kafka/admin.ts';
import { openKafkaProducer } from '../../connections/kafka/producer.ts';
import { kafkaOptionsOf } from '../../definition/kafka-connection.ts';
import { silentLog } from '../../engine/ports.ts';
import { PipectlError } from '../../errors.ts';
import type { Plan } from '../../plan/index.ts';
import { readDeadLetters } from '../dead-letters/list.ts';
import { deadLetterPlace } from '../dead-letters/queue.ts';
import { Crew, drainMsMax } from './crew.ts';
import { faultKinds } from './faults.ts';
import {
  accountCheck,
  causeOf,
  deadLettersCheck,
  drainedCheck,
  firedCheck,
  offsetsCheck,
  processesCheck,
  recoveredCheck,
  seconds,
  type SeenLetter,
} from './judge.ts';
import type { MemberCommand } from './member-process.ts';
import { positionsCheck } from './positions.ts';
import { type Intended, poisonTopicOf, type Preparation } from './prepare.ts';
import { ServiceProxy } from './proxy.ts';
import { type Baseline, baselineOf, lagOf, recoveryOf } from './recovery.ts';
import type { Check, DrillReport, FaultReport, Skipped } from './report.ts';
import { addressText } from './services.ts';
import { Watch } from './watch.ts';

export interface DrillOptions {
  /** Input without a fault, before the first and after each. */
  readonly betweenMs: number;
  /** How long a service is away. */
  readonly outageMs: number;
  /** How long a recovery may take. */
  readonly withinMs: number;
  readonly command: Omit<MemberCommand, 'routes'>;
  /** Ends the drill: it then rejects when its processes are gone. */
  readonly signal: AbortSignal;
  /** Gets what happens, as it happens. */
  readonly say: (what: string) => void;
}

/** Fewer than open the breaker of a pipeline that says nothing about it. */
const poisonRecords = 10;
const poisonHeader = 'drill-id';
/** A look before the fault belongs to it: where each partition stood. */
const beforeMs = 1000;

/** Runs the drill that was prepared. `kafka` is null where the source is no Kafka. Nothing it started is left when it settles. */
export async function runDrill(
  plan: Plan,
  kafka: KafkaAdmin | null,
  preparation: Preparation,
  options: DrillOptions,
): Promise<DrillReport> {
  const proxies = new Map<string, ServiceProxy>();
  let crew: Crew | null = null;
  try {
    for (const address of preparation.services.flatMap(({ addresses }) => addresses))
      if (!proxies.has(addressText(address))) proxies.set(addressText(address), await ServiceProxy.open(address));
    const routes = [...proxies.values()].map(({ service, port }) => ({ ...service, to: port }));
    crew = new Crew({ ...options.command, routes });
    return await new Drill(plan, kafka, preparation, options, proxies, crew).run();
  } finally {
    await crew?.leave();
    await Promise.all([...proxies.values()].map((proxy) => proxy[Symbol.asyncDispose]()));
  }
}

class Drill {
  readonly #plan: Plan;
  readonly #kafka: KafkaAdmin | null;
  readonly #preparation: Preparation;
  readonly #options: DrillOptions;
  readonly #proxies: ReadonlyMap<string, ServiceProxy>;
  readonly #crew: Crew;
  readonly #watch: Watch;
  readonly #startedAtMs = Date.now();
  readonly #id = randomUUID();

  constructor(
    plan: Plan,
    kafka: KafkaAdmin | null,
    preparation: Preparation,
    options: DrillOptions,
    proxies: ReadonlyMap<string, ServiceProxy>,
    crew: Crew,
  ) {
    this.#plan = plan;
    this.#kafka = kafka;
    this.#preparation = preparation;
    this.#options = options;
    this.#proxies = proxies;
    this.#crew = crew;
    this.#watch = new Watch(plan.definition, kafka, crew, options.signal);
  }

  async run(): Promise<DrillReport> {
    const { definition } = this.#plan;
    const { faults, processes } = this.#preparation;
    const { say, signal } = this.#options;
    this.#crew.fill(processes);
    await this.#crew.ready(signal);
    const baseline = await this.#baseline();
    const usual = new Set((await this.#letters(this.#startedAtMs)).map(causeOf));

    const reports: FaultReport[] = [];
    const skipped: Skipped[] = [...this.#preparation.skipped];
    for (const intended of faults) {
      const failed = reports.find(({ recovery }) => recovery.lagBackMs === null);
      if (failed !== undefined) skipped.push({ fault: intended.fault, reason: `not recovered from ${failed.fault}` });
      else reports.push(await this.#try(intended, baseline, usual));
    }
    say('end: all processes are told to drain');
    const atEnd: Check[] = [drainedCheck(await this.#crew.drain(this.#crew.members))];
    const positions = await positionsCheck(
      this.#plan,
      reports.every(({ recovery }) => recovery.lagBackMs !== null),
    );
    if (positions !== null) atEnd.push(positions);
    for (const { check, message } of atEnd) say(`end: ${check}: ${message}`);
    return {
      pipeline: definition.name,
      environment: definition.environment,
      group: definition.group,
      processes,
      startedAtMs: this.#startedAtMs,
      endedAtMs: Date.now(),
      baseline: { perSecond: baseline.perSecond, lagMax: baseline.lagMax, backlog: baseline.backlog },
      hasAlerts: definition.alerts !== null,
      faults: reports,
      skipped,
      atEnd,
    };
  }

  async #baseline(): Promise<Baseline> {
    const { betweenMs, say } = this.#options;
    say(`baseline: ${seconds(betweenMs)} of input and no fault`);
    await this.#watch.during(betweenMs);
    const baseline = baselineOf(this.#watch.looks);
    if (baseline === null) throw this.#noBaseline();
    const { perSecond, lagMax, backlog } = baseline;
    say(`baseline: ${Math.round(perSecond)} records/s come in, lag up to ${lagMax} is usual`);
    if (backlog !== null)
      say(`baseline: a backlog of ${backlog} is still being worked off, so what lag is usual is not known`);
    return baseline;
  }

  #noBaseline(): PipectlError {
    const last = this.#watch.looks.at(-1);
    const waiting = last === undefined ? 0 : lagOf(last);
    const states = [...new Set(last?.members.map(({ state }) => state))].join(', ') || 'no answer';
    const overMs = this.#options.betweenMs;
    const message =
      waiting === 0
        ? `no record came in within ${seconds(overMs)}`
        : `${waiting} records wait, and none was written within ${seconds(overMs)} (${states})`;
    return new PipectlError('drill_no_input', message);
  }

  async #try(intended: Intended, baseline: Baseline, usual: ReadonlySet<string>): Promise<FaultReport> {
    const { fault, service } = intended;
    const { withinMs, betweenMs, say } = this.#options;
    const { lost } = this.#crew;
    const lostBefore = lost.length;
    const startedAtMs = Date.now();
    const { fired, drained } = await this.#strike(intended);
    const endedAtMs = Date.now();
    const looks = () => this.#watch.since(startedAtMs - beforeMs);
    const recovery = () => recoveryOf(looks(), startedAtMs, endedAtMs, baseline);
    // As whatever supervises the pipeline would.
    this.#crew.fill(this.#preparation.processes);
    const isBack = await this.#watch.until(withinMs, () => recovery().lagBackMs !== null);
    const recovered = recoveredCheck(recovery(), withinMs, looks());
    say(`${fault}: ${recovered.message}`);
    const found = recovery();
    this.#crew.fill(this.#preparation.processes);
    const poisoned = fault === 'poison' ? fired : 0;
    if (poisoned > 0 && isBack) await this.#poisonArrived(startedAtMs, poisoned);
    if (isBack) await this.#watch.during(betweenMs);

    const retries = this.#plan.definition.sinks
      .filter(({ options }) => service?.connections.includes((options as { connection?: string }).connection ?? ''))
      .map(({ retry }) => retry.action);
    const letters = await this.#letters(startedAtMs);
    const checks = [
      firedCheck(fault, fired),
      recovered,
      ...(drained === null ? [] : [drained]),
      accountCheck(this.#watch.since(startedAtMs)),
      processesCheck(lost.slice(lostBefore), retries.includes('stop')),
      ...(this.#kafka === null ? [] : [offsetsCheck(looks())]),
      deadLettersCheck(letters, usual, poisoned, retries.includes('dlq')),
    ];
    for (const { verdict, message } of checks)
      if (verdict !== 'held' && message !== recovered.message) say(`${fault}: ${message}`);
    const warned = this.#crew.logSince(startedAtMs).filter(({ level }) => level !== 'info');
    const codes = [...new Set(warned.map(({ code }) => code))];
    const isAlert = (code: string): boolean => code.startsWith('alert_') && code !== 'alert_not_sent';
    return {
      fault,
      service: service?.text ?? null,
      fired,
      startedAtMs,
      endedAtMs,
      recovery: found,
      checks,
      alerts: codes.filter(isAlert),
      logged: codes.filter((code) => !isAlert(code)),
      runbook: faultKinds[fault].runbook,
    };
  }

  /** Makes the fault happen, and end. */
  async #strike({ fault, service }: Intended): Promise<{ readonly fired: number; readonly drained: Check | null }> {
    const { say, outageMs } = this.#options;
    const [member] = this.#crew.members;
    if (member === undefined) return { fired: 0, drained: null };
    switch (fault) {
      case 'kill': {
        say(`kill: SIGKILL to process ${member.pid}`);
        member.signal('SIGKILL');
        const { signal } = await member.ended;
        return { fired: signal === 'SIGKILL' ? 1 : 0, drained: null };
      }
      case 'freeze': {
        const { freezeMs } = this.#preparation;
        say(`freeze: process ${member.pid} stands still for ${seconds(freezeMs)}`);
        const frozen = member.freeze();
        try {
          await this.#watch.during(freezeMs);
          const last = this.#watch.looks.at(-1);
          const stoodStill = member.end === null && last?.members.every(({ pid }) => pid !== member.pid) === true;
          return { fired: stoodStill ? 1 : 0, drained: null };
        } finally {
          // Also where the drill is interrupted.
          await frozen.thaw();
        }
      }
      case 'restart': {
        say(`restart: SIGTERM to process ${member.pid}`);
        let drained: Check | null = null;
        void this.#crew.drain([member]).then((ends) => (drained = drainedCheck(ends)));
        await this.#watch.until(2 * drainMsMax, () => drained !== null);
        return { fired: 1, drained };
      }
      case 'sink-away':
      case 'broker-away': {
        const proxies = service!.addresses.map((address) => this.#proxies.get(addressText(address))!);
        const struck = (): number => proxies.reduce((sum, proxy) => sum + proxy.struck, 0);
        const before = struck();
        say(`${fault}: ${service!.text} is away for ${seconds(outageMs)}`);
        for (const proxy of proxies) proxy.cut();
        await this.#watch.during(outageMs);
        for (const proxy of proxies) proxy.mend();
        return { fired: struck() - before, drained: null };
      }
      case 'poison':
        return { fired: await this.#poison(), drained: null };
    }
  }

  /** No encoding of a value takes these bytes for one. Whoever else finds them is told by a header what they are. */
  async #poison(): Promise<number> {
    const topic = poisonTopicOf(this.#plan.definition)!;
    const producer = openKafkaProducer(kafkaOptionsOf(this.#plan.definition), silentLog);
    const value = Buffer.concat([Buffer.of(0xff, 0xfe), Buffer.from('a bad record of a pipectl drill')]);
    this.#options.say(`poison: ${poisonRecords} bad records to ${topic}`);
    try {
      const one = { key: null, value, headers: { [poisonHeader]: this.#id } };
      await producer.produceAll(
        topic,
        Array.from({ length: poisonRecords }, () => one),
      );
    } finally {
      await producer.close();
    }
    return poisonRecords;
  }

  async #poisonArrived(sinceMs: number, count: number): Promise<void> {
    const deadline = Date.now() + this.#options.withinMs;
    const arrived = async (): Promise<number> =>
      new Set((await this.#letters(sinceMs)).flatMap(({ id, isPoison }) => (isPoison ? [id] : []))).size;
    while ((await arrived()) < count && Date.now() < deadline) await this.#watch.during(1000);
  }

  /** Those of this pipeline that failed since. */
  async #letters(sinceMs: number): Promise<readonly SeenLetter[]> {
    const { definition } = this.#plan;
    const own = definition.prefix + definition.name;
    const found: SeenLetter[] = [];
    await readDeadLetters(deadLetterPlace(definition), sinceMs, silentLog, (view) => {
      const { id, stage, code, failedAtMs, pipeline, headers } = view;
      if (pipeline !== own || failedAtMs < sinceMs || id === null) return;
      const isPoison = String(headers[poisonHeader] ?? '') === this.#id;
      found.push({ id, stage: stage ?? 'unknown', code: code ?? 'unknown', isPoison });
    });
    return found;
  }
}
