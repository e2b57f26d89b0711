import type { Codec } from '../engine/ports.ts';

const decoder = new TextDecoder();

/** UTF-8 text. What is not UTF-8 becomes U+FFFD: a key is for looking at and comparing, not for rejecting. */
export const textCodec: Codec = { decode: (bytes) => decoder.decode(bytes) };
