import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { StackUnavailableError } from './install.ts';

const majorMin = 17;
const remedy = `install a JDK or JRE ${majorMin} or later (Debian: apt install default-jre-headless) or point JAVA_HOME to one`;

export interface Java {
  readonly command: string;
  /** What `java -version` prints: changes with every update, so it keys what was made for this very Java. */
  readonly version: string;
}

/** The Java of JAVA_HOME, else of PATH. @throws StackUnavailableError where there is none or one before 17 */
export async function findJava(environment: NodeJS.ProcessEnv = process.env): Promise<Java> {
  const home = environment['JAVA_HOME'];
  const command = home ? path.join(home, 'bin', 'java') : 'java';
  const version = await promisify(execFile)(command, ['-version'], { env: environment }).then(
    ({ stderr }) => stderr.trim(),
    () => {
      throw new StackUnavailableError('java_missing', 'Kafka needs Java and none was found', remedy);
    },
  );
  const major = Number(/version "(?:1\.)?(\d+)/.exec(version)?.[1]);
  if (!(major >= majorMin)) {
    throw new StackUnavailableError(
      'java_too_old',
      `Kafka needs Java ${majorMin} and found ${version.split('\n')[0]}`,
      remedy,
    );
  }
  return { command, version };
}
