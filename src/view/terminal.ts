/** What may be written to a terminal. */
export interface Terminal {
  /** False where only ASCII is safe. */
  readonly unicode: boolean;
  readonly colour: boolean;
}

/**
 * Reads what the terminal can show from the environment. The locale decides on Unicode in the order POSIX gives
 * (LC_ALL, LC_CTYPE, LANG); the Linux console and dumb terminals have no glyphs for it. Colour follows NO_COLOR
 * (no-color.org: set and not empty) and `--no-color`.
 */
export function describeTerminal(env: Readonly<Record<string, string | undefined>>, noColour: boolean): Terminal {
  const term = env['TERM'] ?? '';
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '';
  // Windows has no locale variables; its current terminal says so by WT_SESSION.
  const utf8 = /utf-?8/i.test(locale) || env['WT_SESSION'] !== undefined;
  return {
    unicode: utf8 && term !== 'linux' && term !== 'dumb',
    colour: !noColour && !env['NO_COLOR'] && term !== 'dumb',
  };
}
