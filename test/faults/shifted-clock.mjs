// Loaded before pipectl (`node --import`): a wall clock that jumps when the process gets SIGUSR2, an hour forwards first,
// then two back, then to where it was. As after a wrong clock was set, time that only counts (performance.now, timers)
// goes on as before.
const hourMs = 3_600_000;
const jumps = [hourMs, -hourMs, 0];
const RealDate = Date;
let shiftMs = 0;

globalThis.Date = class Date extends RealDate {
  constructor(...parts) {
    if (parts.length === 0) super(RealDate.now() + shiftMs);
    else super(...parts);
  }

  static now() {
    return RealDate.now() + shiftMs;
  }
};

process.on('SIGUSR2', () => {
  shiftMs = jumps.shift() ?? 0;
  process.stderr.write(`the clock is ${shiftMs} ms away\n`);
});
