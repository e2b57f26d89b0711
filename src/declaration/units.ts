/** Durations, sizes and rates as a pipeline file writes them. A bare number is none of them: it has no unit. */

const msPer = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const bytesPer = {
  B: 1,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  TB: 1000 ** 4,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
} as const;

/** Milliseconds of `500ms`, `30s`, `5m`, `4h`, `7d` (`1.5s` too); undefined for any other text. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(text);
  if (match === null) return undefined;
  return exactProduct(match[1]!, msPer[match[2] as keyof typeof msPer]);
}

/** Whole bytes of `16MiB`, `512KiB`, `1GB`, `100B`; undefined for any other text. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)(B|[KMGT]i?B)$/.exec(text);
  if (match === null) return undefined;
  const bytes = exactProduct(match[1]!, bytesPer[match[2] as keyof typeof bytesPer]);
  return bytes === undefined ? undefined : Math.round(bytes);
}

/** Events per second of `500/s`, `10/m`, `3/h`; undefined for any other text. */
export function parseRate(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)\/(s|m|h)$/.exec(text);
  if (match === null) return undefined;
  return (Number(match[1]) * 1000) / msPer[match[2] as 's' | 'm' | 'h'];
}

/** Counted in millionths, so that `1.1s` is 1100 ms and not 1100.0000000000002. */
function exactProduct(digits: string, factor: number): number | undefined {
  const [whole, fraction = ''] = digits.split('.');
  const millionths = BigInt(whole! + fraction.padEnd(6, '0')) * BigInt(factor);
  const product = Number(millionths) / 1e6;
  return product <= Number.MAX_SAFE_INTEGER ? product : undefined;
}

/** Milliseconds of an ISO time with its zone, `2026-11-01T08:00:00Z`; a date alone is midnight UTC. Undefined for anything else. */
export function parseTime(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text)) return undefined;
  const timeMs = Date.parse(text);
  return Number.isNaN(timeMs) ? undefined : timeMs;
}
