/** JSON in UTF-8. Integers are exact at any size; see `parseJson` for what numbers become. */
import { isUtf8 } from 'node:buffer';
import { JsonError, parseJson, stringifyJson, type JsonErrorCode } from '../expressions/json.ts';

/** Bytes that are not what the codec reads; becomes a dead letter of the stage `decode`. Holds nothing of the payload. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
  readonly code: JsonErrorCode | 'invalid_utf8';
  constructor(code: JsonErrorCode | 'invalid_utf8', message: string) {
    super(message);
    this.code = code;
  }
}

/** Decodes one JSON text. Throws `DecodeError`. */
export function decodeJson(bytes: Uint8Array): unknown {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString('utf8');
  // Decoding puts U+FFFD for what is no UTF-8; without one in the text there was nothing to put it for.
  if (text.includes('\uFFFD') && !isUtf8(bytes)) throw new DecodeError('invalid_utf8', 'the value is not valid UTF-8');
  try {
    return parseJson(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch (error) {
    if (error instanceof JsonError) throw new DecodeError(error.code, error.message);
    throw error;
  }
}

/** Encodes a value as JSON text; `decodeJson` gives it back, times as texts. */
export const encodeJson = stringifyJson;
