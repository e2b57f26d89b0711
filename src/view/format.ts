/**
 * Numbers as an operator reads them. Unknown (null) is `-`, never 0 and never -1: a lag nobody could read must not look
 * like a lag that is gone.
 */

const UNKNOWN = '-';

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat('en-US', { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** A count with thousands separators: `6,482,119,034`. */
export function formatCount(count: number | null): string {
  return count === null ? UNKNOWN : whole.format(count);
}

/** A rate for a column whose header names the unit: `12,480`, `2.0`, `0.02`, `0`. */
export function formatRate(perSecond: number | null): string {
  if (perSecond === null) return UNKNOWN;
  const size = Math.abs(perSecond);
  if (size === 0) return '0';
  if (size >= 10) return whole.format(perSecond);
  if (size >= 0.1) return tenths.format(perSecond);
  // Something that happens is never shown as nothing.
  return size >= 0.01 ? perSecond.toFixed(2) : '<0.01';
}

/** A rate that carries its unit, in the unit that gives a readable number: `2.0/s`, `1.2/m`, `3.0/h`. */
export function formatRateWithUnit(perSecond: number | null): string {
  if (perSecond === null) return UNKNOWN;
  const size = Math.abs(perSecond);
  if (size === 0) return '0';
  if (size >= 1) return `${formatRate(perSecond)}/s`;
  if (size * 60 >= 1) return `${formatRate(perSecond * 60)}/m`;
  return `${formatRate(perSecond * 3600)}/h`;
}

/** A change, with its sign: `+340`, `-12`, `0`. */
export function formatChange(perSecond: number | null): string {
  if (perSecond === null) return UNKNOWN;
  const text = formatRate(perSecond);
  return perSecond > 0 ? `+${text}` : text;
}

/** A latency, in milliseconds throughout so that a column compares at a glance: `4.2 ms`, `14,830 ms`. */
export function formatLatency(ms: number | null): string {
  if (ms === null) return UNKNOWN;
  return `${ms > 0 && ms < 10 ? tenths.format(ms) : whole.format(ms)} ms`;
}

/** A span of time in its two largest units: `41 ms`, `1.5 s`, `15 s`, `3m16s`, `4h12m`, `6d 04:12`. */
export function formatDuration(ms: number | null): string {
  if (ms === null) return UNKNOWN;
  if (ms < 0.5) return '0 s';
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9_950) return `${tenths.format(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${pad(seconds % 60)}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)}h${pad(minutes % 60)}m`;
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)}d ${pad(hours % 24)}:${pad(minutes % 60)}`;
}

/** A share of 0 to 1 in percent: `11%`. */
export function formatShare(share: number): string {
  return `${Math.round(share * 100)}%`;
}

/** A small share, as precise as it matters: `62%`, `1.5%`, `0.02%`, `0%`. */
export function formatRatio(share: number): string {
  const percent = share * 100;
  if (percent === 0 || percent >= 10) return `${Math.round(percent)}%`;
  return `${Number(percent >= 1 ? percent.toFixed(1) : percent.toFixed(2))}%`;
}

/** Wall clock in the machine's zone: `14:32:07`, and the date with it when that is not the day of `nowMs`: `11-21 09:14`. */
export function formatClock(atMs: number, nowMs: number): string {
  const at = new Date(atMs);
  const time = `${pad(at.getHours())}:${pad(at.getMinutes())}`;
  return at.toDateString() === new Date(nowMs).toDateString()
    ? `${time}:${pad(at.getSeconds())}`
    : `${pad(at.getMonth() + 1)}-${pad(at.getDate())} ${time}`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
