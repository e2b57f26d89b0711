/**
 * Decompresses record batches. gzip and zstd are Node's own; snappy and lz4 come with `@platformatic/kafka`, whose
 * import costs 70 MB and is made only when the first such batch has been fetched.
 */
import { gunzipSync, zstdDecompressSync } from 'node:zlib';

const gzip = 1;
const snappy = 2;
const lz4 = 3;
const zstd = 4;

/** A batch that grows beyond this when decompressed is an attack or damage, not data. */
const decompressedBytesMax = 256 * 1024 * 1024;

type Decompress = (bytes: Buffer) => Buffer;

const codecs = new Map<number, Decompress>([
  [gzip, (bytes) => gunzipSync(bytes, { maxOutputLength: decompressedBytesMax })],
  [zstd, (bytes) => zstdDecompressSync(bytes, { maxOutputLength: decompressedBytesMax })],
]);

/** True until the library of this codec has been loaded. */
export function needsLibrary(codec: number): boolean {
  return codec !== 0 && !codecs.has(codec);
}

/** Makes `decompress` ready for snappy and lz4. */
export async function loadLibrary(): Promise<void> {
  const { compressionsAlgorithms } = await import('@platformatic/kafka');
  codecs.set(snappy, (bytes) => compressionsAlgorithms.snappy.decompressSync(bytes));
  codecs.set(lz4, (bytes) => compressionsAlgorithms.lz4.decompressSync(bytes));
}

/** `codec` is the number in a batch's attributes. Throws on damaged bytes. */
export function decompress(codec: number, bytes: Buffer): Buffer {
  const run = codecs.get(codec);
  if (run === undefined) throw new Error(`record batches with compression ${codec} can't be read`);
  return run(bytes);
}
