/** Which partition a record goes to, as Java clients decide it: records of one key meet, whoever writes them. */

/** The seed and the mixing constants of Kafka's murmur2 (`org.apache.kafka.common.utils.Utils`). */
const seed = 0x9747b28c;
const mix = 0x5bd1e995;

/** A signed 32-bit integer, as in Java. */
export function murmur2(bytes: Uint8Array): number {
  const { length } = bytes;
  let hash = seed ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    word = Math.imul(word, mix);
    word = Math.imul(word ^ (word >>> 24), mix);
    hash = Math.imul(hash, mix) ^ word;
  }
  const rest = length - at;
  if (rest === 3) hash ^= bytes[at + 2]! << 16;
  if (rest >= 2) hash ^= bytes[at + 1]! << 8;
  if (rest >= 1) hash = Math.imul(hash ^ bytes[at]!, mix);
  hash = Math.imul(hash ^ (hash >>> 13), mix);
  return hash ^ (hash >>> 15);
}

/** Picks for one producer. What it gives is to be taken modulo the number of partitions. */
export function createPartitioner(): (key: Uint8Array | null | undefined) => number {
  let turn = 0;
  return (key) => {
    if (key !== null && key !== undefined) return murmur2(key) & 0x7fffffff;
    turn = (turn + 1) & 0x7fffffff;
    return turn;
  };
}
