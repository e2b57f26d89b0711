import type { Command } from 'commander';
import { outputWidth } from './wrap.ts';

/** `pipectl docs`: the reference, from the same declarations that check pipelines. */
export function registerDocs(program: Command): void {
  program
    .command('docs')
    .description('Describes components, expressions, the pipeline file and error codes.')
    .argument('[component]', 'such as sink.postgres or filter; or: functions, pipeline, errors')
    .argument('[name]', 'of a function or an error code')
    .action(async (component: string | undefined, name: string | undefined) => {
      const { docsText } = await import('./docs-text.ts');
      process.stdout.write(docsText(component, name, outputWidth()));
    });
}
