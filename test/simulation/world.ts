/**
 * What all members of a run share: virtual time, chance, faults and the network between them and the services. Every call
 * of a member goes through `call`, where it can be stopped before it was sent and after it was answered.
 */
import { SinkUnavailable } from '../../src/engine/ports.ts';
import type { VirtualClock } from './clock.ts';
import type { Member } from './member.ts';

/** What chance may do. All are probabilities, per call or per wait. */
export interface Faults {
  /** The member ends, as with `kill -9`. */
  readonly crash: number;
  /** The member stands still, perhaps beyond its session, and goes on as if nothing had happened. */
  readonly freeze: number;
  /** The call has no effect. */
  readonly unavailable: number;
  /** The connection breaks while the call is on its way: it fails first and has its effect later. */
  readonly broken: number;
  /** The effect happens, the answer is lost. */
  readonly lostAnswer: number;
  /** The call or its answer takes longer than a session. */
  readonly stalled: number;
}

export const noFaults: Faults = { crash: 0, freeze: 0, unavailable: 0, broken: 0, lostAnswer: 0, stalled: 0 };

/** Without a sign of life for so long the coordinator, and the database, give a member up. */
export const SESSION_MS = 150;
const LATENCY_MS = 20;
/** For how long a call waits for a lock. */
const LOCK_MS = SESSION_MS;

/** The one fault of a run that goes through all places where a member can be stopped. */
export interface Strike {
  /** At which of the places of the run, counted from 1. */
  readonly at: number;
  readonly kind: 'crash' | 'freeze';
}

export type Tracer = (atMs: number, member: string, doing: string, outcome: string) => void;

/** What the service does with a call. */
export interface Service<T> {
  readonly effect: () => T;
  /** Another call holds a lock this one needs. */
  readonly locked?: () => boolean;
  /** The member has lost the connection; what is on its way still arrives on it. */
  readonly lost?: () => void;
  /** The connection is gone, and whatever was on its way has arrived. */
  readonly hungUp?: () => void;
}

export class World {
  readonly clock: VirtualClock;
  readonly random: () => number;
  faults: Faults;
  readonly trace: Tracer;
  readonly #strike: Strike | null;
  #isPeace = false;
  readonly violations: string[] = [];
  /** Which faults did happen. */
  readonly happened = new Set<string>();
  /** How many places there were at which a member could be stopped, until faults ended. */
  places = 0;

  constructor(clock: VirtualClock, random: () => number, faults: Faults, strike: Strike | null, trace: Tracer) {
    this.clock = clock;
    this.random = random;
    this.faults = faults;
    this.#strike = strike;
    this.trace = trace;
  }

  /** From now on nothing fails any more. */
  endFaults(): void {
    this.faults = noFaults;
    this.#isPeace = true;
  }

  violate(text: string): void {
    this.trace(this.clock.now(), '', 'VIOLATION', text);
    if (this.violations.length < 20) this.violations.push(text);
  }

  /** A place at which the member may be stopped. Resolves once it goes on, for a crashed one never. */
  async pass(member: Member, doing: string, where: string): Promise<void> {
    if (member.isLeft) return;
    if (this.#isPeace) return member.isDown ? member.running() : undefined;
    this.places++;
    const dice = this.random();
    const strike = this.#strike?.at === this.places ? this.#strike.kind : null;
    if (strike === 'crash' || dice < this.faults.crash) {
      this.happened.add('crash');
      this.trace(this.clock.now(), member.name, doing, `CRASH ${where}`);
      member.crash();
    } else if (strike === 'freeze' || dice < this.faults.crash + this.faults.freeze) {
      const forMs = SESSION_MS * (strike ? 3 : 0.3 + this.random() * 4);
      this.happened.add('freeze');
      this.trace(this.clock.now(), member.name, doing, `FREEZE ${where}, ${Math.round(forMs)} ms`);
      member.freeze(forMs);
    }
    if (member.isDown) await member.running();
  }

  /**
   * A call over the network. Rejects with `SinkUnavailable` when it could not be answered, whether or not it had its
   * effect, and with what the effect throws.
   */
  async call<T>(member: Member, doing: string, service: Service<T>): Promise<T> {
    const { unavailable, broken, lostAnswer, stalled } = this.faults;
    await this.pass(member, doing, 'before it was sent');
    const dice = this.random();
    const isBroken = dice < broken;
    const isLost = !isBroken && dice < broken + lostAnswer;
    const isUnavailable = !isBroken && !isLost && dice < broken + lostAnswer + unavailable;
    if (isBroken) {
      this.#note(member, doing, 'broken connection');
      void this.#arrive(member, doing, service).then(service.hungUp, service.hungUp);
      await this.#travel(0);
      await this.pass(member, doing, 'after its connection broke');
      service.lost?.();
      throw new SinkUnavailable('simulated broken connection');
    }
    if (isUnavailable) {
      await this.#travel(stalled);
      this.#note(member, doing, 'unavailable');
      await this.pass(member, doing, 'after it failed');
      service.hungUp?.();
      throw new SinkUnavailable('simulated outage');
    }
    let answer: { result: T } | { error: unknown };
    try {
      answer = { result: await this.#arrive(member, doing, service) };
    } catch (error) {
      answer = { error };
    }
    await this.#travel(stalled);
    await this.pass(member, doing, 'before its answer arrived');
    if (isLost) {
      this.#note(member, doing, 'lost answer');
      service.hungUp?.();
      throw new SinkUnavailable('simulated lost answer');
    }
    if ('error' in answer) throw answer.error;
    return answer.result;
  }

  /** The service gets the call, whatever has become of who made it. */
  async #arrive<T>(member: Member, doing: string, { effect, locked }: Service<T>): Promise<T> {
    await this.#travel(this.faults.stalled);
    const untilMs = this.clock.now() + LOCK_MS;
    while (locked?.() === true) {
      if (this.clock.now() >= untilMs) {
        this.#note(member, doing, 'locked');
        throw new SinkUnavailable('simulated lock timeout');
      }
      await this.clock.sleep(LOCK_MS / 10);
    }
    try {
      const result = effect();
      this.trace(this.clock.now(), member.name, doing, 'done');
      return result;
    } catch (error) {
      this.#note(member, doing, (error as Error).name === 'Fenced' ? 'fenced' : (error as Error).message);
      throw error;
    }
  }

  async #travel(stalled: number): Promise<void> {
    const isStalled = this.random() < stalled;
    if (isStalled) this.happened.add('stalled');
    await this.clock.sleep(this.random() * (isStalled ? 4 * SESSION_MS : LATENCY_MS));
  }

  #note(member: Member, doing: string, outcome: string): void {
    this.happened.add(outcome.startsWith('more than') ? 'too many refusals' : outcome);
    this.trace(this.clock.now(), member.name, doing, outcome);
  }
}
