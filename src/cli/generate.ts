import { Argument, type Command } from 'commander';
import { environmentOf } from './environment.ts';
import { version } from './version.ts';

const kinds = ['prometheus', 'grafana', 'systemd', 'dockerfile', 'kubernetes'] as const;
type Kind = (typeof kinds)[number];

/** `pipectl generate`: what watches and runs a pipeline, made from its file. */
export function registerGenerate(program: Command): void {
  program
    .command('generate')
    .description('Prints what watches or runs a pipeline, made from its file. No secret is in it.')
    .addArgument(
      new Argument(
        '<kind>',
        'prometheus: alert rules; grafana: a dashboard; systemd: a unit; dockerfile; kubernetes: a Deployment',
      ).choices(kinds),
    )
    .argument('[file]', 'pipeline file; default: the one pipeline of this folder')
    .addHelpText('after', '\nExample:\n  pipectl generate prometheus orders.yaml > orders.rules.yaml')
    .action(async (kind: Kind, file: string | undefined, _: unknown, command: Command) => {
      process.stdout.write(await generated(kind, file, environmentOf(command)));
    });
}

async function generated(kind: Kind, file: string | undefined, environment: string | null): Promise<string> {
  const { definitionOf } = await import('./definition-of.ts');
  const definition = await definitionOf(file, environment);
  const deployment = () => import('../operations/generate/deployment.ts');
  switch (kind) {
    case 'prometheus':
      return (await import('../operations/generate/prometheus.ts')).prometheusRules(definition);
    case 'grafana':
      return (await import('../operations/generate/grafana.ts')).grafanaDashboard(definition);
    case 'systemd':
      return (await deployment()).systemdUnit(definition);
    case 'dockerfile':
      return (await deployment()).dockerfile(definition, version());
    case 'kubernetes':
      return (await deployment()).kubernetesManifest(definition);
  }
}
