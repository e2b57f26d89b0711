/** Secrets in text for people: logs, problems, dead letters. */

/** Shorter ones are hidden only as words of their own, else a password `b` would eat the letter wherever it stands. */
const anywhereLength = 6;

/** `text` with every secret replaced by what `mask` gives for it. */
export function hideSecrets(text: string, secrets: readonly string[], mask: (secret: string) => string): string {
  let clean = text;
  // The longest first: one secret may contain another.
  for (const secret of secrets.toSorted((a, b) => b.length - a.length)) {
    if (secret === '' || !clean.includes(secret)) continue;
    const place = secret.length >= anywhereLength ? secret : new RegExp(`(?<!\\w)${RegExp.escape(secret)}(?!\\w)`, 'g');
    clean = clean.replaceAll(place, () => mask(secret));
  }
  return clean;
}

/** A copy of a value in which no text has a secret, each replaced by `***`; names of fields stay. */
export function hideSecretsIn(value: unknown, secrets: readonly string[]): unknown {
  if (secrets.length === 0) return value;
  if (typeof value === 'string') return hideSecrets(value, secrets, () => '***');
  if (Array.isArray(value)) return value.map((item: unknown) => hideSecretsIn(item, secrets));
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, hideSecretsIn(item, secrets)]));
}

/** An object of fields, as JSON has it: no time, no decimal, no bytes. */
export function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
