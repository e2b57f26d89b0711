import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { installed } from './install.ts';
import { findJava } from './java.ts';

/** Runs one of Kafka's own command line tools from the stack's jars. Resolves with what it prints. */
export async function runKafkaTool(mainClass: string, args: readonly string[]): Promise<string> {
  const pom = await readFile(path.join(import.meta.dirname, 'pom.xml'), 'utf8');
  const libraries = await installed('kafka', [pom], () => {
    throw new Error('the stack has not been installed here: `npm run stack` once');
  });
  const jars = (await readdir(libraries)).filter((name) => name.endsWith('.jar'));
  const { command } = await findJava();
  const flags = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-XX:-UsePerfData'];
  const { stdout } = await promisify(execFile)(command, [...flags, mainClass, ...args], {
    env: { ...process.env, CLASSPATH: jars.map((jar) => path.join(libraries, jar)).join(path.delimiter) },
  });
  return stdout;
}
