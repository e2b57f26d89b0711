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
