/** The machine the pipeline runs on: Node, file descriptors, memory, disks of the files it writes. */
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { freemem, totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { bytesText, diskFinding, type Finding, fine } from './finding.ts';

export interface MachineFacts {
  readonly nodeVersion: string;
  /** The soft limit; null where the system does not tell or has none. */
  readonly descriptorsMax: number | null;
  /** Of the container, else of the machine, in bytes. */
  readonly memoryBytes: number;
  readonly freeBytes: number;
  readonly heapBytesMax: number;
  /** Disks below the files a pipeline writes, by the directory. */
  readonly disks: ReadonlyMap<string, { readonly totalBytes: number; readonly usableBytes: number }>;
}

const nodeMajorMin = 24;
const descriptorsMin = 1024;
/** What a busy member was measured to take at most, with room to spare (docs/benchmarks.md). */
const memoryBytesMin = 512 * 1024 ** 2;

/** `files`: absolute paths that are written. Directories that are not there yet are looked for above. */
export async function machineFacts(files: readonly string[]): Promise<MachineFacts> {
  const disks = new Map<string, { totalBytes: number; usableBytes: number }>();
  for (const directory of new Set(files.map((file) => dirname(file)))) {
    const found = await diskBelow(directory);
    if (found !== null) disks.set(directory, found);
  }
  const limit = process.constrainedMemory();
  // Without a limit it is 0, or a number beyond any machine.
  const isLimited = limit > 0 && limit < totalmem();
  return {
    nodeVersion: process.versions.node,
    descriptorsMax: descriptorsMax(),
    memoryBytes: isLimited ? limit : totalmem(),
    freeBytes: isLimited ? process.availableMemory() : Math.max(freemem(), process.availableMemory()),
    heapBytesMax: getHeapStatistics().heap_size_limit,
    disks,
  };
}

async function diskBelow(directory: string): Promise<{ totalBytes: number; usableBytes: number } | null> {
  const found = await statfs(directory).catch(() => null);
  if (found !== null) return { totalBytes: found.blocks * found.bsize, usableBytes: found.bavail * found.bsize };
  const above = dirname(directory);
  return above === directory ? null : diskBelow(above);
}

function descriptorsMax(): number | null {
  // Else it asks the name server about every open connection.
  Object.assign(process.report, { excludeNetwork: true });
  const { userLimits } = process.report.getReport() as {
    readonly userLimits?: { readonly open_files?: { readonly soft?: number | string } };
  };
  const soft = userLimits?.open_files?.soft;
  return typeof soft === 'number' ? soft : null;
}

export function machineFindings(facts: MachineFacts): readonly Finding[] {
  const subject = 'this machine';
  const { nodeVersion, descriptorsMax: limit, memoryBytes, freeBytes, heapBytesMax, disks } = facts;
  const findings: Finding[] = [];
  const add = (severity: Finding['severity'], check: string, message: string, remedy: string) =>
    findings.push({ severity, check, subject, message, remedy });
  if (Number.parseInt(nodeVersion, 10) < nodeMajorMin)
    add('error', 'node', `Node ${nodeVersion}`, `install Node ${nodeMajorMin} or newer`);
  else findings.push(fine('node', subject, `Node ${nodeVersion}`));
  if (limit !== null && limit < descriptorsMin)
    add(
      'warning',
      'descriptors',
      `at most ${limit} open files and connections`,
      `ulimit -n ${descriptorsMin}, or LimitNOFILE= of the service`,
    );
  else if (limit !== null) findings.push(fine('descriptors', subject, `${limit} open files and connections`));
  const memory = `${bytesText(memoryBytes)}, ${bytesText(freeBytes)} free`;
  if (memoryBytes < memoryBytesMin)
    add(
      'warning',
      'memory',
      `${memory}: a busy pipeline takes up to ${bytesText(memoryBytesMin)}`,
      'give the container more',
    );
  else if (heapBytesMax > memoryBytes)
    add(
      'warning',
      'memory',
      `Node may use ${bytesText(heapBytesMax)} and there is ${memory}: the kernel would kill it`,
      'set --max-old-space-size below it',
    );
  else if (freeBytes < memoryBytesMin)
    add(
      'warning',
      'memory',
      `${memory}: a busy pipeline takes up to ${bytesText(memoryBytesMin)}`,
      'stop what does not belong here',
    );
  else findings.push(fine('memory', subject, memory));
  for (const [directory, disk] of disks) findings.push(diskFinding(directory, { ...disk, growthPerSecond: null }));
  return findings;
}
