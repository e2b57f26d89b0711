import { type KafkaOptions, kafka } from './kafka.ts';
import { postgres } from './postgres.ts';
import { type Profile, Run } from './run.ts';

/** What a service declares. A new one is a file with this shape and its line in `services`. */
interface Service<Installation, Handle> {
  /** Brings what is missing onto the machine; once for all runs, and idempotent. */
  install(run: Run): Promise<Installation>;
  /** Starts it on free ports of the loopback interface with data of its own; resolves when it answers. */
  start(run: Run, installation: Installation, options: StackOptions): Promise<Handle>;
  /** Where to reach it. */
  address(handle: Handle): string;
  /** The environment variable by which it is usually named. */
  readonly variable: string;
}

const services = { kafka, postgres };

export type ServiceName = keyof typeof services;
export const serviceNames = Object.keys(services) as ServiceName[];

type Handles = { [Name in ServiceName]: Awaited<ReturnType<(typeof services)[Name]['start']>> };

export interface StackOptions extends KafkaOptions {
  readonly profile?: Profile;
  /** Takes what happens, a line each; standard error by default. */
  readonly print?: (line: string) => void;
}

/** The running services, each under its name. */
export type Stack<Name extends ServiceName = ServiceName> = Pick<Handles, Name> & {
  readonly logsDirectory: string;
  /** Process id of what stops the services when this process ends. */
  readonly supervisorPid: number | undefined;
  readonly addresses: Readonly<Record<Name, string>>;
  /** Stops everything and removes the data; the logs stay. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/**
 * Installs what is missing and starts the services, in parallel.
 * Nothing outlives this process, however it ends: see supervisor.ts.
 * @throws StackUnavailableError where the machine lacks what a service needs
 */
export async function startStack<Name extends ServiceName>(
  options: StackOptions & { readonly services: readonly Name[] },
): Promise<Stack<Name>> {
  const print = options.print ?? ((line: string) => process.stderr.write(`stack: ${line}\n`));
  const run = await Run.open(options.profile ?? 'test', print);
  const stop = (): Promise<void> => run.supervisor.close();
  try {
    const started = await Promise.all(options.services.map((name) => startService(name, run, options)));
    return {
      ...(Object.fromEntries(started.map(({ name, handle }) => [name, handle])) as Pick<Handles, Name>),
      logsDirectory: run.logsDirectory,
      supervisorPid: run.supervisor.pid,
      addresses: Object.fromEntries(started.map(({ name, address }) => [name, address])) as Record<Name, string>,
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startService(name: ServiceName, run: Run, options: StackOptions) {
  const service = services[name] as Service<unknown, unknown>;
  const installation = await service.install(run);
  const handle = await run.timed(name, 'ready', () => service.start(run, installation, options));
  return { name, handle, address: service.address(handle) };
}

/** The environment variables for the addresses of a stack: what `npm run stack` prints. */
export function environmentOf(
  addresses: Readonly<Partial<Record<ServiceName, string>>>,
): [variable: string, address: string][] {
  return serviceNames.flatMap((name) => {
    const address = addresses[name];
    return address === undefined
      ? []
      : [services[name].variable, variableOf(name)].map((variable): [string, string] => [variable, address]);
  });
}

/** The addresses in environment variables that `npm run stack` has printed. */
export function addressesIn(environment: NodeJS.ProcessEnv): Partial<Record<ServiceName, string>> {
  return Object.fromEntries(
    serviceNames.flatMap((name) => {
      const address = environment[variableOf(name)];
      return address === undefined ? [] : [[name, address]];
    }),
  );
}

/** What the tests look for before they start a service of their own. */
function variableOf(name: ServiceName): string {
  return `PIPECTL_STACK_${name.toUpperCase()}`;
}
