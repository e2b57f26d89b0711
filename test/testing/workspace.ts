/** A folder of pipelines and tests, for one test. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type FileResult, runTestFile } from '../../src/testing/run.ts';

export class Workspace {
  readonly directory = mkdtempSync(join(tmpdir(), 'pipectl-test-'));

  write(file: string, text: string): string {
    const path = join(this.directory, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  /** Runs `cases` (YAML of one test file without its first line) against `pipeline`. */
  run(pipeline: string, tests: string): Promise<FileResult> {
    this.write('orders.yaml', pipeline);
    return runTestFile(this.write('orders.test.yaml', tests));
  }

  close(): void {
    rmSync(this.directory, { recursive: true });
  }
}

/** A pipeline of a Kafka topic with these steps, into sinks that need nothing. */
export const pipelineOf = (steps: string, sinks = '[ { stdout: {} } ]', more = ''): string =>
  `source: { kafka: { topic: orders } }\nsteps:\n${steps}\nsinks: ${sinks}\n${more}`;
