import type { Validator } from './validator.ts';

/** Validators compiled beforehand, by the id of their schema. None in the source: `build.js` puts them into `dist`. */
export const compiledValidators: Readonly<Record<string, Validator>> = {};
