import type { Clock } from '../../src/engine/ports.ts';
import type { World } from './world.ts';

/** One process. Once it has crashed nothing it waits for ever comes; while it is frozen everything comes later. */
export class Member {
  readonly name: string;
  /** What its engine takes for the time. The clocks of two machines differ. */
  readonly clock: Clock;
  readonly #world: World;
  readonly #onDown: () => void;
  #frozenUntilMs = 0;
  hasCrashed = false;
  /** Its run is over: nothing can stop it any more. */
  isLeft = false;

  constructor(name: string, world: World, onDown: () => void) {
    this.name = name;
    this.#world = world;
    this.#onDown = onDown;
    const skewMs = Math.round((world.random() - 0.5) * 10_000);
    this.clock = {
      now: () => world.clock.now() + skewMs,
      sleep: async (delayMs, signal) => {
        await world.clock.sleep(delayMs, signal);
        await world.pass(this, 'wait', 'after it');
      },
    };
  }

  get isDown(): boolean {
    return this.hasCrashed || this.#world.clock.now() < this.#frozenUntilMs;
  }

  crash(): void {
    this.hasCrashed = true;
    this.#onDown();
  }

  freeze(forMs: number): void {
    this.#frozenUntilMs = Math.max(this.#frozenUntilMs, this.#world.clock.now() + forMs);
    this.#onDown();
  }

  async running(): Promise<void> {
    while (this.isDown) {
      if (this.hasCrashed) await new Promise(() => undefined);
      await this.#world.clock.sleep(this.#frozenUntilMs - this.#world.clock.now());
    }
  }
}
