import { defineSink } from '../../declaration/component.ts';
import { Type } from '../../declaration/type.ts';

export const stdoutSink = defineSink({
  kind: 'sink',
  name: 'stdout',
  summary: 'Prints each event as one line of JSON on standard output.',
  options: Type.Object({}),
  example: 'stdout: {}',
  delivery: () => ({ verdict: 'at least once', reason: 'what was printed before a crash is printed again' }),

  async create(_options, context) {
    const { StdoutSink } = await import('./sink.ts');
    return new StdoutSink(context.name, process.stdout);
  },
});
